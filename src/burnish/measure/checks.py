"""Checks: one number with its interval against its bound, and what follows. A verdict is made of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from burnish.core.errors import SuiteError
from burnish.core.evidence import Check, Interval, Outcome, Prompt
from burnish.measure.interval import mean_interval, prompts_to_decide, prompts_to_decide_rate, rate_interval
from burnish.measure.pictures import Features, Values
from burnish.measure.rules import Direction, Rule
from burnish.measure.scores import Scores
from burnish.measure.slices import SliceFinding, discovered, slice_outcomes
from burnish.measure.units import Units, any_by_unit

NEWLY_BROKEN = "newly broken prompts"
BROKEN_BOUND = 0.05
BROKEN_TOLERATED = 0.01
UNKNOWN = Interval(mean=0.0, low=0.0, high=0.0, n=1)  # of a slice that is too small to have one
RANK: dict[Outcome, int] = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}


def worst(checks: Sequence[Check]) -> Outcome:
    """FAIL before INCONCLUSIVE before PASS."""
    return max((check.outcome for check in checks), key=RANK.__getitem__)


def decide(interval: Interval, bound: float, direction: Direction, tolerated: float | None = None) -> Outcome:
    """PASS where an interval is on the good side of its bound, touching included; FAIL on the bad side.

    Where less is tolerated than the bound says, FAIL is beyond that, and comes before PASS.
    """
    sign = 1.0 if direction == "higher" else -1.0
    worse, better = sorted((sign * interval.low, sign * interval.high))
    if better < sign * (bound if tolerated is None else tolerated):
        return "FAIL"
    return "PASS" if worse >= sign * bound else "INCONCLUSIVE"


def mean_check(rule: Rule, per_unit: Values) -> Check:
    """One rule on values (units,), seeds and variants averaged already: their mean against its bound."""
    interval = mean_interval(per_unit)
    needed = prompts_to_decide(interval.mean, float(per_unit.std(ddof=1)), rule.bound, interval.n)
    return check_of(rule, interval, needed)


def check_of(rule: Rule, interval: Interval, needed: int) -> Check:
    """A rule on an interval; `needed` is how many prompts would decide where this does not."""
    outcome = decide(interval, rule.bound, rule.direction)
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


def broken_check(
    candidate: Scores,
    reference: Scores,
    units: Units | None = None,
    bound: float = BROKEN_BOUND,
    tolerated: float = BROKEN_TOLERATED,
) -> Check:
    """Prompts with a picture that is broken in the candidate and whole in the reference, of all that can be.

    A prompt counts once however many of its seeds break: pictures of one prompt are not independent, and a
    share of pictures would claim more than was seen. PASS shows that fewer than `bound` break, which is not
    zero because no finite suite shows zero: 0 of 59 prompts is "below 5 %", 0 of 299 "below 1 %". FAIL shows
    that more than `tolerated` break: what few prompts cannot rule out is not therefore allowed. Raises
    SuiteError where the reference has no whole picture.
    """
    whole = ~reference.broken
    which = np.arange(len(whole)) if units is None else units
    events = int(any_by_unit(np.any(candidate.broken & whole, axis=1), which).sum())
    n = int(any_by_unit(np.any(whole, axis=1), which).sum())
    if n == 0:
        raise SuiteError(
            "every picture of the reference is broken", "Look at the model before compressing it"
        )
    interval = rate_interval(events, n)
    outcome = decide(interval, bound, "lower", tolerated)
    needed = prompts_to_decide_rate(events, n, bound, tolerated=tolerated) if outcome == "INCONCLUSIVE" else 0
    return Check(
        metric=NEWLY_BROKEN,
        unit="share",
        interval=interval,
        bound=bound,
        tolerated=tolerated,
        direction="lower",
        why=f"rare disasters hide in means: fewer than {100 * bound:g} % of prompts may have a picture that "
        "is blank, saturated, noise or the same from two seeds where the reference's is not, and none where "
        f"more than {100 * tolerated:g} % are shown to",
        outcome=outcome,
        prompts_to_decide=needed,
    )


def slice_bound(rule: Rule, factor: float) -> float:
    """A loss may be `factor` times as much in a slice; what is no loss but a level stays."""
    return factor * rule.bound if rule.bound < 0 else rule.bound


def slice_checks(
    rule: Rule, per_prompt: Values, prompts: Sequence[Prompt], factor: float
) -> tuple[Check, ...]:
    """One rule on every slice, which is a tag of the prompts, with `factor` times its bound.

    Each must pass by its own interval; one is FAIL only where chance among all slices does not explain it.
    A slice of one unit has no interval and is INCONCLUSIVE.
    """
    tags = sorted({tag for p in prompts for tag in p.tags})
    masks = {tag: np.array([tag in p.tags for p in prompts]) for tag in tags}
    bound = slice_bound(rule, factor)
    if not masks:
        return ()
    found = slice_outcomes(per_prompt, masks, bound, rule.direction, [p.unit for p in prompts])
    return tuple(_of_slice(tag, each, rule, bound) for tag, each in found.items())


def group_checks(
    rule: Rule,
    per_unit: Values,
    texts: Sequence[str],
    read: Callable[[Sequence[str]], Features],
    factor: float,
) -> tuple[Check, ...]:
    """One rule on groups of like texts that nobody named, see `burnish.measure.slices.discovered`.

    A group is called by three of its texts. `read` gives features (units, d) of texts.
    """
    bound = slice_bound(rule, factor)
    found = discovered(read(texts), per_unit, bound, rule.direction)
    checks = []
    for name, each in found.findings.items():
        if each.interval is None:
            continue  # nothing is known of a group that the other half has one of
        some = [text for text, inside in zip(texts, found.slices[name], strict=True) if inside][:3]
        checks.append(_of_slice(f"prompts like {', '.join(map(repr, some))}", each, rule, bound))
    return tuple(checks)


def _of_slice(name: str, found: SliceFinding, rule: Rule, bound: float) -> Check:
    return Check(
        metric=name,
        unit=rule.unit,
        interval=found.interval or UNKNOWN,
        bound=bound,
        direction=rule.direction,
        why=found.why,
        outcome=found.outcome,
        prompts_to_decide=found.prompts_to_decide,
    )
