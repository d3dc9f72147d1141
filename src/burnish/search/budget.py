"""What of the explored is within the budget, and what is said where nothing passes there."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.budget import Budget
from burnish.core.errors import PlanError
from burnish.core.units import show_seconds
from burnish.search.benches import Benches
from burnish.search.candidates import Candidate
from burnish.search.choose import Trial


class NothingPassesError(PlanError):
    """No plan met budget and floor; `trials` says which came nearest."""

    def __init__(self, problem: str, remedy: str, trials: Sequence[Trial]) -> None:
        super().__init__(problem, remedy)
        self.trials = tuple(trials)


def beyond(budget: Budget, found: Candidate, benches: Benches) -> str:
    """Why a candidate is not within the budget, or ""; its bench is opened and measured only for a bound."""
    memory = benches.of(found.plan).peak_mib if budget.memory_mib is not None else 0.0
    disk = benches.of(found.plan).disk_mib if budget.disk_mib is not None else 0.0
    return budget.exceeded(found.latency_s, memory, disk)


def nothing_passes(
    floor: str, within: Sequence[Candidate], passing: tuple[Candidate, str] | None, trials: Sequence[Trial]
) -> NothingPassesError:
    """The nearest plans on each side: the best within the budget, and the cheapest that passes beyond it.

    With that one comes what of it is beyond.
    """
    if any(trial.stage == "confirmation" for trial in trials):
        problem = f"of the {len(within)} plans that were chosen none was confirmed on the other prompts"
        # Those prompts have been seen: another try on them would be another chance to be lucky.
        remedy = "Use a suite with other confirmation prompts, or more of them"
        return NothingPassesError(problem, remedy, trials)
    said = [f"no plan within the budget passes {floor}" if within else "no plan is within the budget"]
    if within:
        said.append(f"the nearest within it is {_shown(min(within, key=lambda c: c.error))}")
    if passing is not None:
        said.append(f"of the others {_shown(passing[0])} passes on the selection prompts, and {passing[1]}")
    elif not trials:
        said.append("the time was up before any was judged")
    remedy = "Raise the budget or --time-limit, or use more prompts"
    return NothingPassesError("; ".join(said), remedy, trials)


def _shown(found: Candidate) -> str:
    return f"{found.plan.describe()} ({show_seconds(found.latency_s)} a picture)"
