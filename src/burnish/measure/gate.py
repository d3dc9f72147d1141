"""The gate: is a cheaper model as good as its reference? Paired, the prompt as the unit, three answers.

Both models draw the same prompts with the same seeds. Seeds are averaged inside a prompt, because pictures of
one prompt are not independent. Each check compares a one-sided 95 % interval with its bound: PASS when the
interval's worse end is on the good side, FAIL when its better end is on the bad side, INCONCLUSIVE between,
with the number of prompts that would decide. A verdict is the worst of its checks: every check must pass, so
a bad model gets through at most one time in twenty however many there are (an intersection-union test, Berger
1982), and no correction is due. That holds for one verdict: a search tries more than one plan on the
same prompts, in an order that keeps it so (see `burnish.search.search`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.errors import SuiteError
from burnish.core.evidence import Check, Interval, Outcome, Suite, Verdict
from burnish.core.plan import Floor
from burnish.measure.advisory import advisory
from burnish.measure.controls import Control
from burnish.measure.interval import mean_interval, prompts_to_decide, prompts_to_decide_rate, rate_interval
from burnish.measure.pictures import Values
from burnish.measure.rules import FAITHFUL, Direction, Rule
from burnish.measure.scores import Scores

SEED_FRACTION = 0.25
NEWLY_BROKEN = "newly broken prompts"
BROKEN_BOUND = 0.05
RANK: dict[Outcome, int] = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gate allows; the defaults are explained where they are used."""

    faithful: tuple[Rule, ...] = FAITHFUL
    seed_fraction: float = SEED_FRACTION
    broken: float = BROKEN_BOUND


def verdict(
    floor: Floor,
    candidate: Scores,
    reference: Scores,
    controls: Sequence[Control] = (),
    limits: Limits | None = None,
) -> Verdict:
    """What follows from a candidate's scores and its reference's own, on the same prompts and seeds.

    The reference against itself is always the first control and must PASS; `controls` must hold a planted
    damage that FAILs. Where a control does not come out as it must, the verdict is INCONCLUSIVE whatever the
    checks say, and the control's `why` says so. `advisory` holds means that decide nothing. Raises SuiteError
    where shapes differ, there is one prompt only, or `equivalent` is asked with fewer than two seeds.
    """
    if candidate.shape != reference.shape:
        raise SuiteError(f"the candidate has {candidate.shape} scores, the reference {reference.shape}")
    bounds = limits or Limits()
    found = FLOORS[floor](candidate, reference, bounds)
    own = Control(name="the reference against itself", scores=reference, expected="PASS")
    tried = tuple(
        _control_check(control, FLOORS[floor](control.scores, reference, bounds))
        for control in (own, *controls)
    )
    missing = () if any(c.expected == "FAIL" for c in controls) else (NO_DAMAGE,)
    sound = not missing and all(
        check.outcome == control.expected for check, control in zip(tried, (own, *controls), strict=True)
    )
    prompts, seeds = candidate.shape
    return Verdict(
        floor=floor,
        outcome=worst(found) if sound else "INCONCLUSIVE",
        checks=found,
        controls=tried + missing,
        advisory=advisory(candidate, reference),
        prompts=prompts,
        seeds=seeds,
    )


def require_decidable(suite: Suite, floor: Floor, *, choosing: bool) -> None:
    """Raises SuiteError where a suite has no interval; fewer prompts than would decide are INCONCLUSIVE.

    `choosing` asks for what a search needs too: prompts to choose plans on, and enough to confirm one.
    """
    if floor == "equivalent" and len(suite.seeds) < 2:
        raise SuiteError(f"{floor} needs to know what a new seed changes", "Use two seeds or more")
    if len(suite.confirmation) < 2:
        raise SuiteError(f"{len(suite.confirmation)} confirmation prompts have no interval", "Use 59 or more")
    if not choosing:
        return
    prompts = len(suite.confirmation)
    if decide(rate_interval(0, prompts), BROKEN_BOUND, "lower") != "PASS":
        needed = prompts_to_decide_rate(0, prompts, BROKEN_BOUND)
        raise SuiteError(
            f"{prompts} prompts to confirm on cannot show that fewer than {100 * BROKEN_BOUND:g} % break",
            f"Use {needed} or more",
        )
    if len(suite.selection) < 2:
        raise SuiteError(f"{len(suite.selection)} selection prompts choose no plan", "Use two or more")


def worst(checks: Sequence[Check]) -> Outcome:
    """FAIL before INCONCLUSIVE before PASS."""
    return max((check.outcome for check in checks), key=RANK.__getitem__)


def decide(interval: Interval, bound: float, direction: Direction) -> Outcome:
    """Which side of its bound an interval is on; touching the bound from the good side is good."""
    low, high = interval.low - bound, interval.high - bound
    worse, better = (low, high) if direction == "higher" else (-high, -low)
    return "PASS" if worse >= 0 else "FAIL" if better < 0 else "INCONCLUSIVE"


def mean_check(rule: Rule, per_prompt: Values) -> Check:
    """One rule on values (prompts,), seeds averaged already: their mean against the rule's bound."""
    interval = mean_interval(per_prompt)
    outcome = decide(interval, rule.bound, rule.direction)
    needed = prompts_to_decide(interval.mean, float(per_prompt.std(ddof=1)), rule.bound, interval.n)
    return Check(
        metric=rule.label,
        unit=rule.unit,
        interval=interval,
        bound=rule.bound,
        direction=rule.direction,
        why=rule.why,
        outcome=outcome,
        prompts_to_decide=needed if outcome == "INCONCLUSIVE" else 0,
    )


def broken_check(candidate: Scores, reference: Scores, bound: float = BROKEN_BOUND) -> Check:
    """Prompts with a picture that is broken in the candidate and whole in the reference, of all that can be.

    A prompt counts once however many of its seeds break: pictures of one prompt are not independent, and a
    share of pictures would claim more than was seen. The bound is not zero because no finite suite shows
    zero: 0 of 59 prompts is "below 5 %", 0 of 299 "below 1 %".
    """
    whole = ~reference.broken
    events = int((candidate.broken & whole).any(axis=1).sum())
    n = int(whole.any(axis=1).sum())
    if n == 0:
        raise SuiteError(
            "every picture of the reference is broken", "Look at the model before compressing it"
        )
    interval = rate_interval(events, n)
    outcome = decide(interval, bound, "lower")
    needed = prompts_to_decide_rate(events, n, bound) if outcome == "INCONCLUSIVE" else 0
    return Check(
        metric=NEWLY_BROKEN,
        unit="share",
        interval=interval,
        bound=bound,
        direction="lower",
        why=f"rare disasters hide in means: fewer than {100 * bound:g} % of prompts may have a picture that "
        "is blank, saturated, noise or the same from two seeds where the reference's is not",
        outcome=outcome,
        prompts_to_decide=needed,
    )


def seed_spread(alignment: Values) -> float:
    """Standard deviation between seeds within a prompt, pooled over prompts, of values (prompts, seeds).

    Raises SuiteError with fewer than two seeds.
    """
    if alignment.shape[1] < 2:
        raise SuiteError("one seed a prompt does not show what a new seed changes", "Use two seeds or more")
    return float(np.sqrt(alignment.var(axis=1, ddof=1).mean()))


def _spread_influence(alignment: Values) -> Values:
    """How much each prompt moves `seed_spread` (delta method), shape (prompts,), with mean 0.

    Added to the differences, it leaves their mean and widens their interval by what is not known of a margin
    that the same prompts estimate. Without it a candidate nearly identical to the reference but just beyond
    the margin would pass half of the time instead of one time in twenty.
    """
    variance = alignment.var(axis=1, ddof=1)
    spread = np.sqrt(variance.mean())
    return np.asarray((variance - variance.mean()) / (2 * spread) if spread > 0 else 0 * variance)


def _equivalent(candidate: Scores, reference: Scores, limits: Limits) -> tuple[Check, ...]:
    """As good, maybe another picture.

    The margin is a quarter of what a new seed changes: whoever draws again accepts four times that without
    noticing, and a unit taken from the reference itself needs no calibration when the judge changes.
    """
    spread = seed_spread(reference.alignment)
    change = (candidate.alignment - reference.alignment).mean(axis=1)
    margin_error = limits.seed_fraction * _spread_influence(reference.alignment)
    rule = Rule(
        metric="alignment",
        label="alignment difference",
        unit="points",
        bound=-limits.seed_fraction * spread,
        direction="higher",
        why=f"the mean loss may be at most {limits.seed_fraction:g} of the {spread:.3g} points by which the "
        "reference's own pictures of one prompt differ from seed to seed",
    )
    return (
        mean_check(rule, change + margin_error),
        broken_check(candidate, reference, limits.broken),
    )


def _faithful(candidate: Scores, reference: Scores, limits: Limits) -> tuple[Check, ...]:
    """The same picture."""
    same = tuple(mean_check(rule, getattr(candidate, rule.metric).mean(axis=1)) for rule in limits.faithful)
    return (*same, broken_check(candidate, reference, limits.broken))


FLOORS: dict[Floor, Callable[[Scores, Scores, Limits], tuple[Check, ...]]] = {
    "equivalent": _equivalent,
    "faithful": _faithful,
}

NOT_FINITE = Check(
    metric="finite pictures",
    unit="share",
    interval=Interval(mean=0.0, low=0.0, high=0.0, n=1),
    bound=1.0,
    direction="higher",
    why="numbers that are infinite or not a number are no picture",
    outcome="FAIL",
)

NO_DAMAGE = Check(
    metric="planted damage",
    unit="",
    interval=Interval(mean=0.0, low=0.0, high=0.0, n=0),
    bound=0.0,
    direction="higher",
    why="must FAIL, but none was given, so nothing shows that this gate would have caught a regression",
    outcome="INCONCLUSIVE",
)


def _control_check(control: Control, checks: Sequence[Check]) -> Check:
    """The check that decided a control, with the gate's answer and whether it is the one that must come."""
    outcome = worst(checks)
    decisive = next(check for check in checks if check.outcome == outcome)
    came = "and does" if outcome == control.expected else f"but the gate says {outcome}: no verdict follows"
    return decisive.model_copy(
        update={"metric": f"{control.name}: {decisive.metric}", "why": f"must {control.expected}, {came}"}
    )
