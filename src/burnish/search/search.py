"""The search: plans in order of cost, chosen on some prompts, the winner confirmed on others.

Those chosen are confirmed from the dearest to the cheapest, until one is not. The order is fixed before the
confirmation prompts are seen, so that each may be tried at the full level and still at most one search in
twenty ends with a plan that is not as good (fixed-sequence testing: Maurer, Hothorn and Lehmacher, 1995).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from burnish.build import GraphStore, build, fitted_program, plan_program, reference_plan
from burnish.build.calibration import Conditions
from burnish.core.errors import PlanError
from burnish.core.evidence import Suite, Verdict
from burnish.core.files import digest_text, source_digest
from burnish.core.model import Device
from burnish.core.plan import Floor, Plan, Precision
from burnish.measure.arena import Arena, Eyes, Report, make_arena
from burnish.measure.controls import armed
from burnish.measure.cost import measure_cold
from burnish.measure.draw import Part
from burnish.measure.judge import Judge
from burnish.measure.pictures import Pictures
from burnish.runtime import Pipeline
from burnish.search.candidates import Candidate, candidates, fewer_calls, precisions, worthwhile
from burnish.search.choose import Trial, chosen
from burnish.search.costs import graph_seconds

MOST_CONDITIONS = 48  # prompts that tables are fitted to; fewer of them make the ranges of int8
LADDER = 4  # plans that are chosen to be confirmed
CALIBRATION_STEPS = 10  # of the table that the trial int8 graphs are calibrated on


@dataclass(frozen=True, kw_only=True)
class Optimized:
    """What a search found: the bundle, its evidence, and everything that was tried on the way."""

    reference: Path
    suite: Suite
    winner: Candidate
    verdict: Verdict
    trials: tuple[Trial, ...]
    control: Trial | None  # the reference with as many calls as the winner's time pays for
    pictures: tuple[Sequence[Pictures], Sequence[Pictures]]  # confirmation: reference, winner
    notes: Path  # what an interrupted search would go on from; to be removed once the bundle is in its place


class NothingPassesError(PlanError):
    """No plan met budget and floor; `trials` says which came nearest."""

    def __init__(self, problem: str, remedy: str, trials: tuple[Trial, ...]) -> None:
        super().__init__(problem, remedy)
        self.trials = trials


def optimize(
    store: GraphStore,
    directory: Path,
    *,
    scratch: Path,
    suite: Suite,
    judge: Judge,
    device: Device,
    floor: Floor = "equivalent",
    max_latency_s: float | None = None,
    max_memory_mib: float | None = None,
    time_limit_s: float = 900.0,
    report: Report = lambda what, fraction: None,
) -> Optimized:
    """Leaves the cheapest bundle that passes `floor` in `directory`: the very one that was judged.

    What else is built, the original among it, goes to `scratch`, a folder of this search alone. The
    original's pictures stay for the next search; an interrupted one goes on where it stopped. Raises
    NothingPassesError when no plan within the budget passes, ModelError and PlanError as `build` does; what
    is in `directory` is then of no use.
    """
    plan = reference_plan(store.model)
    report("building the original as a bundle", 0.0)
    build(store, plan, scratch / "reference", device=device)
    reference = Pipeline(scratch / "reference", verify=False)
    benches = dict(_benches(store, plan, scratch, suite, device, report))
    seconds = graph_seconds(_lean(benches, max_memory_mib))
    plans = _within(candidates(store.model, plan, worthwhile(seconds), floor=floor), max_latency_s)

    def arena(part: Part) -> Arena:
        return armed(make_arena(suite, part, Eyes(judge), floor, reference, report))

    conditions = conditions_of(suite)

    def fitted(found: Candidate) -> Candidate:
        report(f"fitting {found.plan.describe()}", 0.0)
        return replace(found, program=fitted_program(store, found.plan, conditions, report))

    notes = _notes(store, suite, judge, floor, reference)
    trials: list[Trial] = []
    passing = chosen(plans, benches, arena("selection"), trials, time_limit_s, notes, report, fitted)

    def built(found: Candidate) -> Pipeline:
        report(f"building {found.plan.describe()}", 0.0)
        place = scratch / "confirmed" / digest_text(found.plan.model_dump_json())[:8]
        build(store, found.plan, place, conditions=conditions, device=device)
        return Pipeline(place, verify=False)

    confirmed = _confirmed(list(islice(passing, LADDER)), built, partial(arena, "confirmation"), trials)
    if confirmed is None:
        shutil.rmtree(notes, ignore_errors=True)
        raise _nothing(trials, floor)
    _move(confirmed.pipeline.directory, directory)
    return Optimized(
        reference=reference.directory,
        suite=suite,
        winner=confirmed.trial.candidate,
        verdict=confirmed.trial.verdict,
        trials=tuple(trials),
        pictures=(confirmed.ground.pictures, confirmed.pictures),
        notes=notes,
        control=_control(store, plan, confirmed.trial.candidate, reference, confirmed.ground),
    )


def _move(source: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for part in source.iterdir():
        shutil.move(part, directory)


def _notes(store: GraphStore, suite: Suite, judge: Judge, floor: Floor, reference: Pipeline) -> Path:
    """Where a search leaves what it knows of plans, until a bundle is in its place or none passes."""
    code = source_digest("measure/**/*.py", "search/*.py")
    asked = [suite.model_dump_json(), judge.digest, floor, reference.bundle.identity, code]
    return store.root / "notes" / digest_text(json.dumps(asked))[:24]


def conditions_of(suite: Suite) -> Conditions:
    """The selection prompts, for calibration: the confirmation prompts stay unseen."""
    prompts = tuple(p.prompt for p in suite.selection if p.prompt)
    return Conditions(prompts=prompts[:MOST_CONDITIONS]) if prompts else Conditions()


def _benches(
    store: GraphStore, plan: Plan, scratch: Path, suite: Suite, device: Device, report: Report
) -> Iterator[tuple[Precision, Pipeline]]:
    """One bundle a precision, on which every table of that precision is tried."""
    for precision in precisions(store.model.card, device):
        report(f"building {precision} graphs", 0.0)
        trial = plan.model_copy(update={"precision": precision, "num_inference_steps": CALIBRATION_STEPS})
        directory = scratch / f"bench-{precision}"
        build(store, trial, directory, conditions=conditions_of(suite), device=device)
        yield precision, Pipeline(directory, verify=False)


def _within(plans: list[Candidate], max_latency_s: float | None) -> list[Candidate]:
    """The plans that take no longer; raises NothingPassesError where none does."""
    if max_latency_s is None:
        return plans
    cheap = [c for c in plans if c.latency_s <= max_latency_s]
    if not cheap:
        raise NothingPassesError(f"no plan is within {max_latency_s} s a picture", "Raise --max-latency", ())
    return cheap


def _lean(
    benches: Mapping[Precision, Pipeline], max_memory_mib: float | None
) -> Mapping[Precision, Pipeline]:
    """The precisions whose whole process stays within `max_memory_mib`; raises PlanError where none does.

    A table's length costs no memory: graphs run one after the other, on the same buffers.
    """
    if max_memory_mib is None:
        return benches
    peaks = {
        precision: measure_cold(bench.directory, first=True).peak_mib for precision, bench in benches.items()
    }
    if min(peaks.values()) > max_memory_mib:
        leanest = min(peaks, key=peaks.__getitem__)
        raise PlanError(
            f"the leanest bundle ({leanest}) takes {peaks[leanest]:.0f} MiB, not {max_memory_mib:g}",
            "Raise --max-memory",
        )
    return {precision: bench for precision, bench in benches.items() if peaks[precision] <= max_memory_mib}


@dataclass(frozen=True, kw_only=True)
class _Confirmed:
    """A plan that passed, its bundle, and its pictures on the ground where it did."""

    trial: Trial
    pipeline: Pipeline
    pictures: Sequence[Pictures]
    ground: Arena


def _confirmed(
    ladder: Sequence[Candidate],
    built: Callable[[Candidate], Pipeline],
    confirmation: Callable[[], Arena],
    trials: list[Trial],
) -> _Confirmed | None:
    """The cheapest of `ladder` that passes as all dearer ones do; None where the dearest does not.

    One bundle is kept beside the one that is tried: large models are gigabytes each.
    """
    if not ladder:
        return None
    ground, best = confirmation(), None
    for found in reversed(ladder):
        pipeline = built(found)
        answer, drawn = ground.judged(pipeline)
        trials.append(Trial(candidate=found, stage="confirmation", verdict=answer))
        if answer.outcome != "PASS":
            break
        if best is not None:
            shutil.rmtree(best.pipeline.directory)
        best = _Confirmed(trial=trials[-1], pipeline=pipeline, pictures=drawn, ground=ground)
    return best


def _control(
    store: GraphStore, plan: Plan, found: Candidate, reference: Pipeline, arena: Arena
) -> Trial | None:
    seconds = graph_seconds({plan.precision: reference})[plan.precision]
    same_cost = fewer_calls(store.model, plan, found, seconds)
    if same_cost is None:
        return None
    program = plan_program(store.model, same_cost.plan)
    answer, _ = arena.judged(reference.with_program(program))
    return Trial(candidate=same_cost, stage="fewer calls at the same cost", verdict=answer)


def _nothing(trials: list[Trial], floor: Floor) -> NothingPassesError:
    tried = len({t.candidate.plan for t in trials})
    if tried == 0:
        return NothingPassesError("the time was up before any plan was tried", "Raise --time-limit", ())
    return NothingPassesError(
        f"none of the {tried} plans tried passed {floor}",
        "Raise --max-latency or the time limit, or use more prompts",
        tuple(trials),
    )
