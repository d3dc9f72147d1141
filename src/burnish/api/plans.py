"""Plans into bundles: searched for, or as given."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.api.costs import measure, measure_stock
from burnish.api.models import identity, store_of
from burnish.api.verdicts import default_suite, exam, signed
from burnish.build import build as build_plan
from burnish.build import check_target
from burnish.core.budget import Budget
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BurnishError, PlanError
from burnish.core.evidence import Measurement, Suite
from burnish.core.files import digest, directory_aside
from burnish.core.model import Device
from burnish.core.plan import Floor, Plan
from burnish.core.source import Model, source_of
from burnish.load import probe_device
from burnish.measure.arena import Eyes
from burnish.measure.margin import Margin
from burnish.search import TRIALS, Optimized, alone, conditions_of, ray_crew, write_evidence
from burnish.search import optimize as search_plans


def optimize(
    model: Model,
    directory: Path,
    *,
    floor: Floor = "equivalent",
    margin: Margin | None = None,
    budget: Budget | None = None,
    suite: Suite | None = None,
    judge: Path | None = None,
    device: Device | None = None,
    time_limit_s: float = 900.0,
    trials: int = TRIALS,
    ray: str | None = None,
    stock: bool = True,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Bundle:
    """Writes the cheapest bundle of `model` that passes `floor` into `directory`, with its evidence.

    `trials` plans are run on a few prompts before any is judged; where `ray` is "local" or a cluster's
    address, side by side. `stock` measures the original as diffusers runs it, where diffusers can and it is
    as published, otherwise as a bundle. Raises ModelError, PlanError (NothingPassesError), SuiteError,
    OSError; `directory` is then as it was.
    """
    check_target(directory)
    report("opening the model", 0.0)
    store = store_of(model)
    asked, opened = exam(store.model.card, floor, suite, judge, choosing=True)
    report("probing the device", 0.0)
    with (
        directory_aside(directory) as aside,
        TemporaryDirectory(prefix=".search.", dir=store.root) as scratch,
    ):
        found = search_plans(
            store,
            aside,
            scratch=Path(scratch),
            suite=asked,
            judge=opened,
            device=device or probe_device(),
            floor=floor,
            margin=margin,
            budget=budget,
            time_limit_s=time_limit_s,
            trials=trials,
            crew=alone if ray is None else ray_crew(ray),
            report=report,
        )
        identities = identity(aside), identity(found.reference)
        found = replace(found, verdict=signed(found.verdict, *identities, asked, Eyes(opened)))
        report("measuring", 0.3)
        cost = measure(aside)
        _require_within(cost, budget or Budget())
        report("measuring the original", 0.6)
        original, how = _measure_original(model, found.reference, stock)
        report("writing the report", 0.9)
        bundle = _with_evidence(aside, found, cost, original, how)
    shutil.rmtree(found.notes, ignore_errors=True)
    return bundle


def _with_evidence(
    directory: Path, found: Optimized, cost: Measurement, original: Measurement, how: str
) -> Bundle:
    """The bundle of a search with what was found out about it, in its manifest and beside it."""
    update = {"measurement": cost, "original": original, "verdict": found.verdict}
    bundle = Bundle.read(directory / MANIFEST).model_copy(update=update)
    bundle.save(directory / MANIFEST)  # which the report reads
    write_evidence(directory, found, how)
    written = sorted((directory / "evidence").iterdir())
    evidence = {p.relative_to(directory).as_posix(): digest(p) for p in written}
    bundle = bundle.model_copy(update={"evidence": evidence})
    bundle.save(directory / MANIFEST)
    return bundle


def _measure_original(model: Model, reference: Path, stock: bool) -> tuple[Measurement, str]:
    """What the original costs, and in words on what that was measured.

    The search is not lost where the stock pipeline fails: it takes class 1000 for "no class" whatever the
    model's classes, and may need more memory than there is.
    """
    if not stock or not source_of(model).as_published:
        return measure(reference), "as an fp32 bundle"
    try:
        return measure_stock(model), "with diffusers"
    except BurnishError as error:
        return measure(reference), f"as an fp32 bundle, since diffusers failed ({error.remedy[:100]})"


def _require_within(cost: Measurement, budget: Budget) -> None:
    """Plans are chosen by their graphs' costs; what is promised is what the whole takes."""
    if why := budget.exceeded(cost.latency_s, cost.first_peak_mib, cost.disk_mib):
        raise PlanError("the cheapest plan that passes is beyond the budget when the whole is measured", why)


def build(model: Model, plan: Plan, directory: Path, *, suite: Suite | None = None) -> Bundle:
    """The bundle of one plan, without search or verdict; raises ModelError, PlanError, OSError."""
    store = store_of(model)
    asked = suite or default_suite(store.model.card)
    return build_plan(store, plan, directory, conditions=conditions_of(asked))
