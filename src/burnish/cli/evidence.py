"""Writes what a search found beside its bundle: verdict, trials, report.html, contact sheet."""

from __future__ import annotations

import json

from burnish import api
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.evidence import Measurement
from burnish.core.files import write_text
from burnish.report.data import Candidate, ReportData, Row, Side
from burnish.report.page import write_report
from burnish.report.sheet import contact_sheet
from burnish.search import Optimized, Trial

SHOWN = 12  # prompts on the contact sheet


def write_evidence(found: Optimized, original: Measurement, *, stock: bool) -> Bundle:
    """Fills `evidence/` in the bundle's directory and returns the bundle's manifest."""
    bundle = Bundle.read(found.directory / MANIFEST)
    evidence = found.directory / "evidence"
    evidence.mkdir(exist_ok=True)
    found.verdict.save(evidence / "verdict.json")
    trials = [*found.trials, *([found.control] if found.control else [])]
    write_text(evidence / "trials.json", json.dumps([_plain(t) for t in trials], indent=2) + "\n")
    prompts = found.suite.confirmation
    step = max(1, len(prompts) // SHOWN)
    chosen = range(0, len(prompts), step)[:SHOWN]
    rows = [
        Row(
            prompts[k].prompt or str(prompts[k].class_label), found.pictures[0][k][0], found.pictures[1][k][0]
        )
        for k in chosen
    ]
    assert bundle.measurement is not None  # noqa: S101 - measured before evidence is written
    reference = Bundle.read(found.reference / MANIFEST).plan
    write_report(
        evidence / "report.html",
        ReportData(
            title=f"{bundle.model.name}, optimized",
            original=Side(
                name="original, diffusers" if stock else "original", plan=reference, measurement=original
            ),
            optimized=Side(name="optimized", plan=bundle.plan, measurement=bundle.measurement),
            verdict=found.verdict,
            rows=rows,
            candidates=[_shown(t) for t in trials],
            provenance=api.provenance(found.directory),
        ),
    )
    contact_sheet(
        [(r.prompt, (r.original, r.optimized)) for r in rows],
        ("original", "optimized"),
        scale=2 if rows[0].original.shape[0] < 128 else 1,
    ).save(evidence / "sheet.png")
    return bundle


def _shown(trial: Trial) -> Candidate:
    c = trial.candidate
    return Candidate(
        c.plan.describe(), c.program.passes, c.latency_s, f"{trial.stage}: {trial.verdict.outcome}"
    )


def _plain(trial: Trial) -> dict[str, object]:
    c = trial.candidate
    return {
        "plan": c.plan.model_dump(mode="json"),
        "passes": c.program.passes,
        "latency_s": c.latency_s,
        "stage": trial.stage,
        "outcome": trial.verdict.outcome,
        "checks": [k.model_dump(mode="json") for k in trial.verdict.checks],
    }
