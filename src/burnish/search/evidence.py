"""Writes what a search found beside its bundle: verdict, trials, report.html, contact sheet."""

from __future__ import annotations

import json
import math
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.files import write_text
from burnish.core.program import Program
from burnish.report import data
from burnish.report.data import Explored, Lever, ReportData, Row, Side
from burnish.report.page import write_report
from burnish.report.sheet import contact_sheet
from burnish.search.candidates import Candidate
from burnish.search.choose import Trial
from burnish.search.search import Optimized

SHOWN = 12  # prompts on the contact sheet


def write_evidence(directory: Path, found: Optimized, original: str) -> None:
    """Fills `evidence/` in a bundle's directory, whose manifest holds verdict and costs already.

    `original` says what the costs of the original were measured on. Raises OSError.
    """
    bundle = Bundle.read(directory / MANIFEST)
    evidence = directory / "evidence"
    evidence.mkdir()
    found.verdict.save(evidence / "verdict.json")
    trials = [*found.trials, *([found.control] if found.control else [])]
    write_text(evidence / "trials.json", json.dumps([_plain(t) for t in trials], indent=2) + "\n")
    explored = [_told(c) for c in found.explored]
    write_text(evidence / "explored.json", json.dumps(explored, indent=2) + "\n")
    shutil.copyfile(found.study, evidence / "study.journal")  # which Optuna's dashboard opens
    rows = _rows(found)
    sides = [
        Side(name=name, plan=plan, measurement=cost)
        for name, plan, cost in (
            (f"original, {original}", Bundle.read(found.reference / MANIFEST).plan, bundle.original),
            ("optimized", bundle.plan, bundle.measurement),
        )
        if cost is not None
    ]
    write_report(
        evidence / "report.html",
        ReportData(
            title=f"{bundle.model.name}, optimized",
            original=sides[0],
            optimized=sides[1],
            verdict=found.verdict,
            rows=rows,
            candidates=[_shown(t) for t in trials],
            explored=_explored(found),
            levers=[Lever(v.name, _point(v.alone), _point(v.without)) for v in found.levers],
            provenance=provenance(directory),
        ),
    )
    contact_sheet(
        [(r.prompt, (r.original, r.optimized)) for r in rows],
        ("original", "optimized"),
        scale=2 if rows[0].original.shape[0] < 128 else 1,
    ).save(evidence / "sheet.png")


def _explored(found: Optimized) -> list[Explored]:
    drawn = {c.plan: picture for c, picture in found.thumbnails}
    return [
        Explored(
            description=c.plan.describe(),
            latency_s=c.latency_s,
            error=c.error,
            guidance_scale=c.plan.guidance_scale,
            picture=drawn.get(c.plan),
            chosen=c.plan == found.winner.plan,
        )
        for c in found.explored
    ]


def _point(found: Candidate | None) -> tuple[float, float] | None:
    return (found.latency_s, found.error) if found else None


def _rows(found: Optimized) -> list[Row]:
    """Confirmation prompts spread evenly, each as both drew it with the first seed."""
    prompts = found.suite.confirmation
    chosen = range(0, len(prompts), max(1, len(prompts) // SHOWN))[:SHOWN]
    original, optimized = found.pictures
    return [
        Row(prompts[k].prompt or str(prompts[k].class_label), original[k][0], optimized[k][0]) for k in chosen
    ]


def provenance(directory: Path) -> dict[str, str]:
    """What a report says of where its numbers come from."""
    bundle = Bundle.read(directory / MANIFEST)
    device = bundle.device
    return {
        "model": f"{bundle.model.name}, sha256 {bundle.model.digest}",
        "bundle": f"identity {bundle.identity}",
        "plan": bundle.plan.model_dump_json(),
        "table": Program.read(directory / bundle.program).source,
        "machine": f"{device.name}, {device.cores} cores" if device else platform.processor(),
        "versions": ", ".join(f"{p} {version(p)}" for p in ("burnish", "openvino", "diffusers", "torch")),
    }


def _shown(trial: Trial) -> data.Candidate:
    c = trial.candidate
    return data.Candidate(c.plan.describe(), c.program.passes, c.latency_s, f"{trial.stage}: {trial.outcome}")


def _told(c: Candidate) -> dict[str, object]:
    error = c.error if math.isfinite(c.error) else None
    plan = c.plan.model_dump(mode="json")
    return {"plan": plan, "passes": c.program.passes, "latency_s": c.latency_s, "error": error}


def _plain(trial: Trial) -> dict[str, object]:
    c = trial.candidate
    return {
        **_told(c),
        "stage": trial.stage,
        "outcome": trial.outcome,
        "checks": [k.model_dump(mode="json") for k in trial.verdict.checks],
    }
