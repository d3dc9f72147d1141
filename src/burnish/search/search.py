"""The search: plans in order of cost, chosen on some prompts, the winner confirmed on others.

Those chosen are confirmed from the dearest to the cheapest, until one is not. The order is fixed before the
confirmation prompts are seen, so that each may be tried at the full level and still at most one search in
twenty ends with a plan that is not as good (fixed-sequence testing: Maurer, Hothorn and Lehmacher, 1995).
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from burnish.build import GraphStore, build, plan_program, reference_plan
from burnish.build.calibration import Conditions
from burnish.core.errors import BundleError, NotFiniteError, PlanError
from burnish.core.evidence import Check, Suite, Verdict
from burnish.core.files import digest_text, source_digest
from burnish.core.model import Device
from burnish.core.plan import Floor, Plan, Precision
from burnish.measure.controls import Control, planted
from burnish.measure.cost import measure_cold
from burnish.measure.draw import Part, draw, draw_part
from burnish.measure.gate import NEWLY_BROKEN, NOT_FINITE, verdict
from burnish.measure.judge import Judge
from burnish.measure.pictures import Pictures
from burnish.measure.scores import Scores, score
from burnish.runtime import Pipeline
from burnish.runtime.compiled import engine
from burnish.search.candidates import Candidate, candidates, fewer_calls, precisions
from burnish.search.costs import GraphSeconds, graph_seconds

SCREEN = 16  # prompts on which a plan must be within its bounds before it sees the whole selection
LADDER = 5  # plans that are chosen to be confirmed
DEARER = 1.3  # how much more than the one below it each must cost: what costs the same is about as good
CALIBRATION_STEPS = 10  # of the table that the trial int8 graphs are calibrated on

Report = Callable[[str, float], None]  # what is being done, fraction done


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One plan that was tried, and what came of it where."""

    candidate: Candidate
    stage: str  # "screen", "selection", "confirmation"
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Optimized:
    """What a search found: the bundle, its evidence, and everything that was tried on the way."""

    reference: Path
    suite: Suite
    winner: Candidate
    verdict: Verdict
    trials: tuple[Trial, ...]
    control: Trial | None  # the reference with as many calls as the winner's time pays for
    pictures: tuple[list[Pictures], list[Pictures]]  # confirmation: reference, winner
    seconds: dict[Precision, GraphSeconds]
    notes: Path  # what an interrupted search would go on from; to be removed once the bundle is in its place


class NothingPassesError(PlanError):
    """No plan met budget and floor; `trials` says which came nearest."""

    def __init__(self, problem: str, remedy: str, trials: tuple[Trial, ...]) -> None:
        super().__init__(problem, remedy)
        self.trials = trials


@dataclass(frozen=True, kw_only=True)
class Arena:
    """A reference's pictures and scores on one part of a suite, against which plans are judged."""

    suite: Suite
    part: Part
    judge: Judge
    floor: Floor
    pictures: list[Pictures]
    scores: Scores
    controls: tuple[Control, ...]

    def judged(
        self, pipeline: Pipeline, count: int | None = None, keep: Path | None = None
    ) -> tuple[Verdict, list[Pictures]]:
        """The verdict on a bundle's pictures of the first `count` prompts, and those it could draw.

        What lies in `keep` is not drawn again, and what is drawn is left there.
        """
        prompts = getattr(self.suite, self.part)[:count]
        texts = [p.prompt for p in prompts]
        # What confirms is drawn once however often a search is interrupted after it.
        confirms = count is None and self.part == "confirmation"
        try:
            drawn = (
                draw_part(pipeline, self.suite, self.part)
                if confirms
                else draw(pipeline, prompts, self.suite.seeds, keep=keep)
            )
        except NotFiniteError:
            return Verdict(floor=self.floor, outcome="FAIL", checks=(NOT_FINITE,)), []
        found = score(self.judge, texts, drawn, self.pictures[:count])
        if count is None:
            return verdict(self.floor, found, self.scores, self.controls), drawn
        own = score(self.judge, texts, self.pictures[:count], self.pictures[:count])
        return verdict(self.floor, found, own, self.controls[:0]), drawn


def make_arena(
    suite: Suite, part: Part, judge: Judge, floor: Floor, reference: Pipeline, report: Report
) -> Arena:
    """Draws the reference's pictures (what an earlier run drew stays) and scores them and the controls."""
    texts = [p.prompt for p in getattr(suite, part)]
    pictures = draw_part(
        reference,
        suite,
        part,
        lambda done, of: report(f"original's {part} pictures {done}/{of}", done / of),
    )
    return Arena(
        suite=suite,
        part=part,
        judge=judge,
        floor=floor,
        pictures=pictures,
        scores=score(judge, texts, pictures, pictures),
        controls=planted(judge, texts, pictures),
    )


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
    seconds = {precision: graph_seconds(bench) for precision, bench in benches.items()}
    if max_memory_mib is not None:
        seconds = _lean(seconds, benches, max_memory_mib)
    most = max_latency_s if max_latency_s is not None else math.inf
    plans = [c for c in candidates(store.model, plan, seconds) if c.latency_s <= most]
    if not plans:
        raise NothingPassesError(f"no plan is within {max_latency_s} s a picture", "Raise --max-latency", ())
    arena = partial(make_arena, suite, judge=judge, floor=floor, reference=reference, report=report)
    notes = _notes(store, suite, judge, floor, reference)
    trials: list[Trial] = []
    chosen = _chosen(plans, benches, arena("selection"), trials, time_limit_s, notes, report)

    ladder = list(islice(chosen, LADDER))

    def built(found: Candidate) -> Pipeline:
        report(f"building {found.plan.describe()}", 0.0)
        place = scratch / "confirmed" / digest_text(found.plan.model_dump_json())[:8]
        build(store, found.plan, place, conditions=conditions_of(suite), device=device)
        return Pipeline(place, verify=False)

    ground = arena("confirmation") if ladder else None  # drawn only where a plan has got so far
    confirmed = _confirmed(ladder, built, ground, trials) if ground else None
    if ground is None or confirmed is None:
        shutil.rmtree(notes, ignore_errors=True)
        raise _nothing(trials, floor)
    trial, pipeline, drawn = confirmed
    shutil.copytree(pipeline.directory, directory, dirs_exist_ok=True)
    return Optimized(
        reference=scratch / "reference",
        suite=suite,
        winner=trial.candidate,
        verdict=trial.verdict,
        trials=tuple(trials),
        pictures=(ground.pictures, drawn),
        seconds=seconds,
        notes=notes,
        control=_control(store, plan, trial.candidate, reference, ground),
    )


def _notes(store: GraphStore, suite: Suite, judge: Judge, floor: Floor, reference: Pipeline) -> Path:
    """Where a search leaves what it knows of plans, until a bundle is in its place or none passes."""
    code = source_digest("measure", "measure/metrics", "search")
    asked = [suite.model_dump_json(), judge.digest, floor, reference.bundle.identity, code]
    return store.root / "notes" / digest_text(json.dumps(asked))[:24]


def conditions_of(suite: Suite) -> Conditions:
    """The selection prompts, for calibration: the confirmation prompts stay unseen."""
    prompts = tuple(p.prompt for p in suite.selection if p.prompt)
    return Conditions(prompts=prompts[:12]) if prompts else Conditions()


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


def _lean(
    seconds: dict[Precision, GraphSeconds], benches: Mapping[Precision, Pipeline], max_memory_mib: float
) -> dict[Precision, GraphSeconds]:
    """The precisions whose whole process stays within `max_memory_mib`; raises PlanError where none does.

    A table's length costs no memory: graphs run one after the other, on the same buffers.
    """
    peaks = {
        precision: measure_cold(bench.directory, first=True).peak_mib for precision, bench in benches.items()
    }
    if min(peaks.values()) > max_memory_mib:
        leanest = min(peaks, key=peaks.__getitem__)
        raise PlanError(
            f"the leanest bundle ({leanest}) takes {peaks[leanest]:.0f} MiB, not {max_memory_mib:g}",
            "Raise --max-memory",
        )
    return {precision: seconds[precision] for precision in seconds if peaks[precision] <= max_memory_mib}


def _chosen(
    plans: Sequence[Candidate],
    benches: Mapping[Precision, Pipeline],
    selection: Arena,
    trials: list[Trial],
    time_limit_s: float,
    notes: Path,
    report: Report,
) -> Iterator[Candidate]:
    """Plans that pass on the selection prompts, cheapest first and each dearer, until the time is up."""
    deadline, least = time.monotonic() + time_limit_s, 0.0
    for number, found in enumerate(plans):
        if time.monotonic() > deadline:
            return
        if found.latency_s < least:
            continue
        report(f"trying {found.plan.describe()}", number / len(plans))
        bench = benches[found.plan.precision].with_program(found.program)
        if _selected(found, partial(_judged, bench, selection, notes), trials):
            yield found
            least = DEARER * found.latency_s


def _confirmed(
    ladder: Sequence[Candidate], built: Callable[[Candidate], Pipeline], ground: Arena, trials: list[Trial]
) -> tuple[Trial, Pipeline, list[Pictures]] | None:
    """The cheapest of `ladder` that passes as all dearer ones do; None where the dearest does not."""
    best = None
    for found in reversed(ladder):
        pipeline = built(found)
        answer, drawn = ground.judged(pipeline)
        trials.append(Trial(candidate=found, stage="confirmation", verdict=answer))
        if answer.outcome != "PASS":
            break
        best = trials[-1], pipeline, drawn
    return best


def _judged(bench: Pipeline, arena: Arena, notes: Path, count: int | None = None) -> Verdict:
    """The verdict on the first `count` prompts, from the notes where an interrupted search had reached it."""
    whole = [bench.program.model_dump_json(), bench.bundle.identity, engine()]
    pictures = notes / digest_text(json.dumps(whole))[:24]  # those of the screen are among the selection's
    path = pictures.with_suffix(f".{count or 'all'}.json")
    with suppress(BundleError, OSError):
        return Verdict.read(path)
    answer, _ = arena.judged(bench, count, pictures)
    if count is None:
        shutil.rmtree(pictures, ignore_errors=True)
    with suppress(OSError):  # it is only for the next time
        answer.save(path)
    return answer


def _selected(found: Candidate, judged: Callable[..., Verdict], trials: list[Trial]) -> bool:
    """Whether a plan survives the screen and passes on the selection; every answer is kept."""
    answer = judged(count=SCREEN)
    if any(check.outcome == "FAIL" or _beyond(check) for check in answer.checks):
        trials.append(Trial(candidate=found, stage="screen", verdict=answer))
        return False
    answer = judged()
    trials.append(Trial(candidate=found, stage="selection", verdict=answer))
    return all(check.outcome == "PASS" or _only_rare(check) for check in answer.checks)


def _beyond(check: Check) -> bool:
    """A mean on the wrong side of its bound: the other prompts would have to make up for it."""
    mean = check.interval.mean
    return mean < check.bound if check.direction == "higher" else mean > check.bound


def _only_rare(check: Check) -> bool:
    """A rate that was never seen but that so few prompts cannot bound: the confirmation will."""
    return check.metric == NEWLY_BROKEN and check.interval.mean == 0.0


def _control(
    store: GraphStore, plan: Plan, found: Candidate, reference: Pipeline, arena: Arena
) -> Trial | None:
    same_cost = fewer_calls(store.model, plan, found, graph_seconds(reference))
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
