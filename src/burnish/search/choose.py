"""Which plans are worth confirming: those that pass on the selection prompts, cheapest first, each dearer.

Of plans that cost the same, all are screened on a few prompts, and the best there sees the rest.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from burnish.core.errors import BundleError
from burnish.core.evidence import Check, Outcome, Verdict
from burnish.core.files import digest_text
from burnish.core.plan import Plan
from burnish.measure.arena import Arena, Report
from burnish.measure.checks import NEWLY_BROKEN, worst
from burnish.runtime import Pipeline
from burnish.runtime.compiled import engine
from burnish.search.candidates import Candidate

GLANCE = 4  # prompts on which a plan must not fail outright
SCREEN = 16  # prompts on which it must be within its bounds before it sees the whole selection
STAGES: dict[int | None, str] = {GLANCE: "glance", SCREEN: "screen", None: "selection"}
DEARER = 1.3  # how much more than the one below it each must cost: what costs the same is about as good


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One plan that was tried, and what came of it where."""

    candidate: Candidate
    stage: str  # one of STAGES, "confirmation", or what a control is
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        """The verdict's; of stages without controls, whose verdict is never PASS, that of the checks."""
        seen = (*self.verdict.checks, *self.verdict.slices)
        return worst(seen) if self.stage in STAGES.values() else self.verdict.outcome


def chosen(
    plans: Sequence[Candidate],
    bench_of: Callable[[Plan], Pipeline],
    selection: Arena,
    trials: list[Trial],
    deadline: float,
    notes: Path,
    report: Report,
) -> Iterator[Candidate]:
    """Plans that pass on the selection prompts, cheapest first and each dearer, until `deadline` (monotonic).

    `plans` come in order of cost. Every answer is added to `trials`, and what took long is left in `notes`.
    """
    least, number = 0.0, 0

    def judged(found: Candidate, count: int | None = None) -> Verdict:
        report(f"trying {found.plan.describe()}", number / len(plans))
        answer = _judged(bench_of(found.plan).with_program(found.program), selection, notes, count)
        trials.append(Trial(candidate=found, stage=STAGES[count], verdict=answer))
        return answer

    for cost, group in groupby(plans, key=lambda c: c.latency_s):
        if cost < least:
            continue
        if time.monotonic() > deadline:
            return
        equals = list(group)
        number += len(equals)
        best = _best_screened(equals, judged)
        if best is None:
            continue
        answer = judged(best)
        passes = all(check.outcome == "PASS" or _only_rare(check) for check in answer.checks)
        if passes and not any(part.outcome == "FAIL" for part in answer.slices):
            yield best
            least = DEARER * cost


def _best_screened(equals: Sequence[Candidate], judged: Callable[..., Verdict]) -> Candidate | None:
    """Of plans that cost the same, the one furthest within the floor's first bound on a few prompts.

    Only that one sees the whole selection: each more would be another chance to be lucky there.
    """
    screened: list[tuple[float, Candidate]] = []
    for found in equals:
        if worst(judged(found, GLANCE).checks) == "FAIL":
            continue
        checks = judged(found, SCREEN).checks
        if not any(check.outcome == "FAIL" or _ahead(check) < 0 for check in checks):
            screened.append((_ahead(checks[0]), found))
    return max(screened, key=lambda each: each[0])[1] if screened else None


def _judged(bench: Pipeline, arena: Arena, notes: Path, count: int | None) -> Verdict:
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


def _ahead(check: Check) -> float:
    """How far a mean is on the good side of its bound; below 0 the other prompts would have to make up."""
    ahead = check.interval.mean - check.bound
    return ahead if check.direction == "higher" else -ahead


def _only_rare(check: Check) -> bool:
    """A rate that was never seen but that so few prompts cannot bound: the confirmation will."""
    return check.metric == NEWLY_BROKEN and check.interval.mean == 0.0
