"""What a report is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from burnish.core.evidence import Measurement, Verdict
from burnish.core.plan import Plan
from burnish.report.picture import Picture


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two compared: what it is called, how it draws, what that costs."""

    name: str
    plan: Plan
    measurement: Measurement


class Row(NamedTuple):
    """One prompt drawn by both with the same seed; pictures are uint8 (height, width, 3)."""

    prompt: str
    original: Picture
    optimized: Picture


class Candidate(NamedTuple):
    """One plan that the search tried: what it is, denoiser passes and seconds an image, what came of it."""

    description: str
    passes: int
    latency_s: float
    outcome: str


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a page shows. `provenance` is name -> text: digests, versions, machine, date."""

    title: str
    original: Side
    optimized: Side
    verdict: Verdict
    rows: Sequence[Row] = ()
    candidates: Sequence[Candidate] = ()
    provenance: dict[str, str] = field(default_factory=dict)
