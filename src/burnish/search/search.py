"""The search: plans in order of cost, chosen on some prompts, the winner confirmed on others.

Those chosen are confirmed from the dearest to the cheapest, until one is not. The order is fixed before the
confirmation prompts are seen, so that each may be tried at the full level and still at most one search in
twenty ends with a plan that is not as good (fixed-sequence testing: Maurer, Hothorn and Lehmacher, 1995).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from burnish.build import GraphStore, build, fitted_program, reference_plan
from burnish.build.calibration import Conditions
from burnish.core.budget import Budget
from burnish.core.evidence import Suite, Verdict
from burnish.core.files import digest_text, source_digest
from burnish.core.model import Device
from burnish.core.plan import Floor, Plan
from burnish.core.progress import Report
from burnish.measure.arena import Arena, Eyes, make_arena
from burnish.measure.controls import armed
from burnish.measure.draw import Part
from burnish.measure.judge import Judge
from burnish.measure.margin import Margin
from burnish.measure.pictures import Pictures
from burnish.report.picture import Picture
from burnish.runtime import Pipeline
from burnish.search.benches import Benches
from burnish.search.budget import beyond, nothing_passes
from burnish.search.candidates import Candidate, fewer_calls, precisions, worthwhile
from burnish.search.choose import Trial, chosen
from burnish.search.explore import TRIALS, Explorer, frontier
from burnish.search.levers import Lever, levers
from burnish.search.proxy import Crew, Proxy, alone
from burnish.search.space import Space, spread

MOST_CONDITIONS = 48  # prompts that tables are fitted to; fewer of them make the ranges of int8
LADDER = 3  # plans that are chosen to be confirmed
EXPLORING = 0.4  # of the time limit, at most: the rest is for judging


@dataclass(frozen=True, kw_only=True)
class Optimized:
    """What a search found: the bundle, its evidence, and everything that was tried on the way."""

    reference: Path
    suite: Suite
    winner: Candidate
    verdict: Verdict
    trials: tuple[Trial, ...]
    control: Trial | None  # the reference with as many calls as the winner's time pays for
    explored: tuple[Candidate, ...]  # with costs and errors, judged or not
    levers: tuple[Lever, ...]
    thumbnails: tuple[tuple[Candidate, Picture], ...]  # one picture of each plan of the frontier
    study: Path  # Optuna's journal of what was explored
    pictures: tuple[Sequence[Pictures], Sequence[Pictures]]  # confirmation: reference, winner
    notes: Path  # what an interrupted search would go on from; to be removed once the bundle is in its place


def optimize(
    store: GraphStore,
    directory: Path,
    *,
    scratch: Path,
    suite: Suite,
    judge: Judge,
    device: Device,
    floor: Floor = "equivalent",
    margin: Margin | None = None,
    budget: Budget | None = None,
    time_limit_s: float = 900.0,
    trials: int = TRIALS,
    crew: Crew = alone,
    report: Report = lambda what, fraction: None,
) -> Optimized:
    """Leaves the cheapest bundle that passes `floor` in `directory`: the very one that was judged.

    What else is built, the original among it, goes to `scratch`, a folder of this search alone. The
    original's pictures stay for the next search; an interrupted one goes on where it stopped. Raises
    NothingPassesError when no plan within the budget passes, ModelError and PlanError as `build` does; what
    is in `directory` is then of no use.
    """
    begun, plan, bounds = time.monotonic(), reference_plan(store.model), budget or Budget()
    reference = _original(store, plan, scratch / "reference", device, report)
    notes = _notes(store, suite, judge, floor, reference, margin)
    benches = Benches(store, scratch / "benches", conditions_of(suite), device, reference, report)
    explorer = explorer_of(benches, plan, suite, floor, bounds, crew, notes)
    explored = explorer.explore(begun + EXPLORING * time_limit_s, trials)

    def arena(part: Part) -> Arena:
        return make_arena(suite, part, Eyes(judge), floor, reference, report, margin)

    tried: list[Trial] = []
    # Exploring may have taken longer than its part.
    deadline = time.monotonic() + (1 - EXPLORING) * time_limit_s
    judging = _Judging(benches, partial(arena, "selection"), tried, deadline, notes, report)
    passing = judging.within(explored, bounds, floor)
    # Only what confirms must have shown what it sees.
    ground = armed(arena("confirmation"))
    confirmed = _confirmed(passing, partial(_built, benches, scratch / "confirmed"), ground, tried)
    if confirmed is None:
        raise nothing_passes(floor, passing, None, tried)
    _move(confirmed.pipeline.directory, directory)
    winner = confirmed.trial.candidate
    report("running each lever alone", 0.0)
    return Optimized(
        reference=reference.directory,
        suite=suite,
        winner=winner,
        verdict=confirmed.trial.verdict,
        trials=tuple(tried),
        pictures=(ground.pictures, confirmed.pictures),
        notes=notes,
        control=_control(benches, plan, winner, ground),
        explored=tuple(explored),
        levers=levers(explorer, plan, winner.plan),
        thumbnails=_thumbnails(benches, explorer, frontier(explored)),
        study=explorer.study,
    )


def _original(store: GraphStore, plan: Plan, directory: Path, device: Device, report: Report) -> Pipeline:
    report("building the original as a bundle", 0.0)
    build(store, plan, directory, device=device)
    return Pipeline(directory, verify=False)


def explorer_of(
    benches: Benches, plan: Plan, suite: Suite, floor: Floor, budget: Budget, crew: Crew, notes: Path
) -> Explorer:
    """What explores for this model, device, floor and budget, with its journal among the notes."""
    store, card = benches.store, benches.store.model.card
    benches.remember(notes / "seconds.json")
    bounded = budget.disk_mib is not None or budget.memory_mib is not None
    # As most plans run: a pass on one thread gains more by int8 than one on all of them (decision 22).
    faster = {p: benches.of(Plan(precision=p)).side_by_side for p in precisions(card, benches.device)}
    space = Space(
        card=card,
        reference=plan,
        device=benches.device,
        floor=floor,
        precisions=worthwhile(faster),
        cuts=spread(len(store.depths)),
        weights=("", "int8") if bounded else ("",),
    )
    return Explorer(
        space=space,
        benches=benches,
        proxy=Proxy(store.model, plan, benches.original, suite),
        crew=crew,
        fitted=lambda found: fitted_program(store, found, benches.conditions, benches.report),
        # Of this space alone: Optuna knows no study whose choices change.
        study=notes / f"study-{digest_text(repr(space))[:12]}.journal",
        report=benches.report,
    )


@dataclass(frozen=True)
class _Judging:
    """What it takes to choose plans on the selection prompts."""

    benches: Benches
    arena: Callable[[], Arena]
    trials: list[Trial]
    deadline: float
    notes: Path
    report: Report

    def within(self, explored: Sequence[Candidate], budget: Budget, floor: Floor) -> list[Candidate]:
        """The plans to be confirmed, the cheapest first; raises NothingPassesError where there are none."""
        why = {c: beyond(budget, c, self.benches) for c in explored}
        allowed = [c for c in explored if not why[c]]
        found = list(islice(self._chosen(frontier(allowed)), LADDER))
        if found:
            return found
        other = next(self._chosen(frontier([c for c in explored if why[c]])), None)
        raise nothing_passes(floor, allowed, (other, why[other]) if other else None, self.trials)

    def _chosen(self, plans: Sequence[Candidate]) -> Iterator[Candidate]:
        if not plans or time.monotonic() > self.deadline:
            return iter(())

        def bench_of(plan: Plan) -> Pipeline:
            return self.benches.of(plan).pipeline

        return chosen(plans, bench_of, self.arena(), self.trials, self.deadline, self.notes, self.report)


def _thumbnails(
    benches: Benches, explorer: Explorer, found: Sequence[Candidate]
) -> tuple[tuple[Candidate, Picture], ...]:
    """The first picture of the proxy's request as each plan draws it."""
    request = explorer.proxy.first
    return tuple((c, benches.of(c.plan).pipeline.with_program(c.program).generate(request)[0]) for c in found)


def _move(source: Path, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for part in source.iterdir():
        shutil.move(part, directory)


def _notes(
    store: GraphStore, suite: Suite, judge: Judge, floor: Floor, reference: Pipeline, margin: Margin | None
) -> Path:
    """Where a search leaves what it knows of plans, until a bundle is in its place."""
    code = source_digest("measure/**/*.py", "search/*.py")
    asked = [suite.model_dump_json(), judge.digest, floor, reference.bundle.identity, code, repr(margin)]
    return store.root / "notes" / digest_text(json.dumps(asked))[:24]


def conditions_of(suite: Suite) -> Conditions:
    """The selection prompts, for calibration: the confirmation prompts stay unseen."""
    prompts = tuple(p.prompt for p in suite.selection if p.prompt)
    return Conditions(prompts=prompts[:MOST_CONDITIONS]) if prompts else Conditions()


@dataclass(frozen=True, kw_only=True)
class _Confirmed:
    """A plan that passed, its bundle and its pictures."""

    trial: Trial
    pipeline: Pipeline
    pictures: Sequence[Pictures]


def _built(benches: Benches, folder: Path, found: Candidate) -> Pipeline:
    """The final bundle of a plan, which int8 calibrates on the plan's own table."""
    benches.report(f"building {found.plan.describe()}", 0.0)
    place = folder / digest_text(found.plan.model_dump_json())[:8]
    build(benches.store, found.plan, place, conditions=benches.conditions, device=benches.device)
    return Pipeline(place, verify=False)


def _confirmed(
    ladder: Sequence[Candidate], built: Callable[[Candidate], Pipeline], ground: Arena, trials: list[Trial]
) -> _Confirmed | None:
    """The cheapest of `ladder` that passes as all dearer ones do; None where the dearest does not.

    One bundle is kept beside the one that is tried: large models are gigabytes each.
    """
    best = None
    for found in reversed(ladder):
        pipeline = built(found)
        answer, drawn = ground.judged(pipeline)
        trials.append(Trial(candidate=found, stage="confirmation", verdict=answer))
        if answer.outcome != "PASS":
            break
        if best is not None:
            shutil.rmtree(best.pipeline.directory)
        best = _Confirmed(trial=trials[-1], pipeline=pipeline, pictures=drawn)
    return best


def _control(benches: Benches, plan: Plan, found: Candidate, arena: Arena) -> Trial | None:
    same_cost = fewer_calls(benches.store.model, plan, found, benches.original_seconds)
    if same_cost is None:
        return None
    answer, _ = arena.judged(benches.original.with_program(same_cost.program))
    return Trial(candidate=same_cost, stage="fewer calls at the same cost", verdict=answer)
