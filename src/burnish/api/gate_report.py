"""What the gate's page shows: from a verdict and what it was reached on to a report's data."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from burnish.api.verdicts import Judged
from burnish.core.evidence import Measurement, Prompt
from burnish.measure.controls import CONTROL_PROMPTS
from burnish.measure.cost import Cost
from burnish.measure.units import evenly
from burnish.report.data import Candidate, ReportData, Row, Side
from burnish.report.page import write_report
from burnish.runtime import Pipeline
from burnish.runtime.compiled import engine

SHOWN, WORST = 12, 20
# The metric by which pairs of pictures are bad: its field of Scores, name, unit.
BADNESS = {"equivalent": ("alignment", "alignment", "points"), "faithful": ("psnr", "PSNR", "dB")}


def write_gate_report(path: Path, found: Judged, bundle: str, against: str) -> None:
    """Writes the page of one verdict, whole or not at all; raises OSError."""
    write_report(
        path,
        ReportData(
            title=f"{bundle} against {against}",
            original=_side(against, found.arena.reference, found.costs[0]),
            optimized=_side(bundle, found.candidate, found.costs[1]),
            verdict=found.verdict,
            rows=_rows(found),
            worst=worst_pairs(found),
            candidates=_rival(found),
            method=_method(found),
            provenance=_provenance(found),
        ),
    )


def _side(name: str, pipeline: Pipeline, cost: Cost) -> Side:
    """Costs as they were timed for this page; memory and cold start as the bundle's maker measured them."""
    known = pipeline.bundle.measurement or Measurement(bundle=pipeline.bundle.identity)
    files = (p for p in pipeline.directory.rglob("*") if p.is_file())
    now = {
        "batch": 1,
        "calls": pipeline.program.calls,
        "passes": pipeline.program.passes,
        "latency_s": cost.latency_s,
        "cpu_s": cost.cpu_s,
        "disk_mib": sum(p.stat().st_size for p in files) / 2**20,
    }
    return Side(name=name, plan=pipeline.bundle.plan, measurement=known.model_copy(update=now))


def _rows(found: Judged) -> list[Row]:
    """Prompts spread evenly, each as both drew it with the first seed."""
    return [_row(found, k, 0) for k in evenly(len(found.pictures), SHOWN)]


def worst_pairs(found: Judged, count: int = WORST) -> list[Row]:
    """The pairs of pictures that lost most, the worst first, of each prompt its worst seed."""
    name, label, unit = BADNESS[found.verdict.floor]
    ours, theirs = getattr(found.scores, name), getattr(found.arena.scores, name)
    change = ours - theirs if found.verdict.floor == "equivalent" else ours
    seeds = change.argmin(axis=1)
    lows = change.min(axis=1)
    return [
        _row(found, int(k), int(seeds[k]), f"{label} {lows[k]:+.1f} {unit}".replace("-", "−"))
        for k in np.argsort(lows, kind="stable")[:count]
    ]


def _row(found: Judged, k: int, seed: int, note: str = "") -> Row:
    text = _named(found.arena.prompts[k])
    return Row(text, found.arena.pictures[k][seed], found.pictures[k][seed], note)


def _named(prompt: Prompt) -> str:
    return prompt.prompt or str(prompt.class_label if prompt.class_label is not None else "")


def _rival(found: Judged) -> Sequence[Candidate]:
    """The reference with the calls that the candidate's time pays for, where there is such."""
    if found.rival is None:
        return ()
    program, check = found.rival
    each = found.costs[0].latency_s / found.arena.reference.program.passes
    outcome = f"fewer calls at the same cost: {check.outcome}"
    return (Candidate(check.metric, program.passes, each * program.passes, outcome),)


def _method(found: Judged) -> list[str]:
    verdict, seeds = found.verdict, found.verdict.seeds
    return [
        f"Both drew the same {verdict.prompts} prompts with the same {seeds} seeds, from one noise. Seeds "
        "are averaged within a prompt and variants within what they vary: each counts as one observation.",
        "Means have Student's t interval, wider where the bootstrap-t is, shares Clopper and Pearson's, "
        "paired shares Tango's; every end is sure to 95 %.",
        "Every check and every slice must be on the good side of its bound, so none is corrected for their "
        "number. A slice is said to have failed only where that holds after correction for all slices.",
        f"Controls were drawn on {min(CONTROL_PROMPTS, verdict.prompts)} of the prompts where a model had to "
        "be run for them. Where one does not come out as it must, there is no verdict.",
    ]


def _provenance(found: Judged) -> dict[str, str]:
    verdict = found.verdict
    packages = ("burnish", "openvino", "numpy", "scipy", "transformers", "torch")
    return {
        "candidate": f"identity {verdict.candidate}",
        "reference": f"identity {verdict.reference}",
        "suite": f"{found.arena.suite.name}, sha256 {verdict.suite}",
        "judge": f"sha256 {verdict.judge}",
        "features": f"sha256 {verdict.features}",
        "machine": f"{engine()[0]}, {platform.platform()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
