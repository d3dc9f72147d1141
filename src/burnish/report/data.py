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
    """One of the two compared: what it is called, how it draws, what that costs (0: not measured)."""

    name: str
    plan: Plan
    measurement: Measurement


class Row(NamedTuple):
    """One prompt drawn by both with the same seed; pictures are uint8 (height, width, 3).

    `note` says what is wrong with the pair, "alignment −7.2 points"; "" where nothing is to be said.
    """

    prompt: str
    original: Picture
    optimized: Picture
    note: str = ""


class Candidate(NamedTuple):
    """One plan that the search tried: what it is, denoiser passes and seconds an image, what came of it.

    `outcome` is an outcome, or says where it came: "confirmation: PASS".
    """

    description: str
    passes: int
    latency_s: float
    outcome: str


class Explored(NamedTuple):
    """One plan that was run on a few prompts: seconds an image, and how far from the original of as much
    guidance it ended.

    `picture` is what it drew of the first of them, where it is on the frontier.
    """

    description: str
    latency_s: float
    error: float
    guidance_scale: float
    picture: Picture | None = None
    chosen: bool = False


class Lever(NamedTuple):
    """What one lever does: (seconds an image, error) of the original with it alone, and of the plan without.

    None where that cannot be; the error of what was not run is infinite.
    """

    name: str
    alone: tuple[float, float] | None
    without: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything a page shows.

    Of `rows` the first twelve are shown; `worst` are pairs in order, the worst first, of which twenty are.
    `method` is plain sentences, a paragraph each. `provenance` is name -> text: digests, versions, machine,
    date.
    """

    title: str
    original: Side
    optimized: Side
    verdict: Verdict
    rows: Sequence[Row] = ()
    worst: Sequence[Row] = ()
    candidates: Sequence[Candidate] = ()
    explored: Sequence[Explored] = ()
    levers: Sequence[Lever] = ()
    method: Sequence[str] = ()
    provenance: dict[str, str] = field(default_factory=dict)
