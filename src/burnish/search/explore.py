"""Explore: Optuna proposes plans in rounds, and of each only the proxy's error has to be run.

What a plan costs follows from its table and the seconds of its graphs. A round's plans are asked before any
of them is run, so that the answer does not depend on who runs them side by side.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.core.errors import ModelError, PlanError, ProgramError
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.core.progress import Report
from burnish.search.benches import Benches
from burnish.search.candidates import Candidate
from burnish.search.proxy import Crew, Proxy
from burnish.search.space import Space

if TYPE_CHECKING:
    import optuna

TRIALS = 96
ROUND = 6  # plans asked at once
SEED = 2026
STUDY = "plans"


@dataclass(frozen=True, kw_only=True)
class Explorer:
    """All that an exploration needs. `fitted` gives a plan its final table; `study` is a file that says every
    trial, with which an interrupted one goes on.
    """

    space: Space
    benches: Benches
    proxy: Proxy
    crew: Crew
    fitted: Callable[[Plan], Program]
    study: Path
    report: Report

    def explore(self, deadline: float, trials: int = TRIALS) -> list[Candidate]:
        """Plans with their costs and errors, the cheapest first, until `deadline` (monotonic) or so many."""
        study = _open(self.study)
        self._again(study)
        known = {_key(c.plan): c for t in study.trials if (c := _read(t)) is not None}
        while (done := _done(study)) < trials and (time.monotonic() < deadline or not known):
            self.report(f"exploring plans {done}/{trials}", done / trials)
            study.sampler = _sampler(done)
            self._round(study, [study.ask() for _ in range(min(ROUND, trials - done))], known)
        return sorted(known.values(), key=lambda c: (c.latency_s, c.error))

    def run(self, plans: Sequence[Plan]) -> list[Candidate | None]:
        """Each with its cost and error; None where it cannot be fitted or draws no numbers."""
        priced = [self.priced(plan) for plan in plans]
        found = [c for c in priced if c is not None]
        tasks = [self.proxy.task(self.benches.of(c.plan).pipeline, c.plan, c.program) for c in found]
        errors = iter(self.crew(tasks))
        ran = [replace(c, error=next(errors)) if c is not None else None for c in priced]
        return [c if c is not None and math.isfinite(c.error) else None for c in ran]

    def priced(self, plan: Plan) -> Candidate | None:
        """With its final table and its cost, not run; None where it cannot be fitted or built."""
        with suppress(PlanError, ProgramError, ModelError):
            program = self.fitted(plan)
            latency_s = self.benches.of(plan).latency_s(plan, program)
            return Candidate(plan=plan, program=program, latency_s=latency_s)
        return None

    def _settled(self, plan: Plan) -> Plan | None:
        """With as many streams as are best; None where its graphs cannot be built."""
        with suppress(PlanError, ModelError):
            return self.benches.settled(plan)
        return None

    def _again(self, study: optuna.Study) -> None:
        """What was cut off is given up and asked again, and what to begin with asked where it is not yet."""
        import optuna

        for trial in study.get_trials(deepcopy=False):
            if trial.state == optuna.trial.TrialState.RUNNING:
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                study.enqueue_trial(trial.params)
        for first in self.space.first():
            study.enqueue_trial(first, skip_if_exists=True)

    def _round(
        self, study: optuna.Study, asked: Sequence[optuna.Trial], known: dict[Plan, Candidate]
    ) -> None:
        """What is new is run, all of it is told."""
        import optuna

        plans = [self.space.propose(trial.suggest_categorical) for trial in asked]
        fresh = dict.fromkeys(p for p in plans if p is not None and _key(p) not in known)
        settled = {plan: own for plan in fresh if (own := self._settled(plan)) is not None}
        for plan, ran in zip(settled, self.run([*settled.values()]), strict=True):
            if ran is not None:
                known[_key(plan)] = ran
        for trial, proposed in zip(asked, plans, strict=True):
            found = known.get(_key(proposed)) if proposed is not None else None
            if found is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                continue
            trial.set_user_attr("plan", found.plan.model_dump(mode="json"))
            trial.set_user_attr("program", found.program.model_dump(mode="json"))
            study.tell(trial, [found.latency_s, found.error])


def _key(plan: Plan) -> Plan:
    """What is proposed says nothing of streams: what is best for its graphs was measured."""
    return plan.model_copy(update={"streams": 1})


def _read(trial: optuna.trial.FrozenTrial) -> Candidate | None:
    said: dict[str, Any] = trial.user_attrs
    if "plan" not in said or not trial.values:
        return None
    latency_s, error = trial.values
    plan, program = Plan.model_validate(said["plan"]), Program.model_validate(said["program"])
    return Candidate(plan=plan, program=program, latency_s=latency_s, error=error)


def _open(path: Path) -> optuna.Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.create_study(
        storage=storage, study_name=STUDY, directions=["minimize", "minimize"], load_if_exists=True
    )


def _done(study: optuna.Study) -> int:
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


def _sampler(done: int) -> optuna.samplers.BaseSampler:
    """A sampler whose proposals depend on what was told alone, and not on how often it was interrupted."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=SEED + done, n_startup_trials=4 * ROUND, multivariate=True, group=True, constant_liar=True
        )


def frontier(found: Sequence[Candidate]) -> list[Candidate]:
    """Those that none of as much guidance beats in both cost and error, the cheapest first."""
    kept: list[Candidate] = []
    least: dict[float, float] = {}
    for candidate in sorted(found, key=lambda c: (c.latency_s, c.error)):
        scale = candidate.plan.guidance_scale
        if candidate.error < least.get(scale, math.inf):
            least[scale] = candidate.error
            kept.append(candidate)
    return kept
