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
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from burnish.core.errors import SuiteError
from burnish.core.evidence import Check, Interval, Outcome, Prompt, Suite, Verdict
from burnish.core.plan import Floor
from burnish.measure.advisory import advisory
from burnish.measure.checks import (
    BROKEN_BOUND,
    BROKEN_TOLERATED,
    broken_check,
    decide,
    group_checks,
    mean_check,
    slice_checks,
    worst,
)
from burnish.measure.interval import prompts_to_decide_rate, rate_interval
from burnish.measure.margin import Margin, allowed
from burnish.measure.pictures import Features, Indices, Values
from burnish.measure.rules import FAITHFUL, Rule
from burnish.measure.scores import Scores
from burnish.measure.units import by_unit, number_units
from burnish.measure.watched import watched

FEWEST_TO_GROUP = 60  # units: two halves of thirty
SLICE_FACTOR = 2.0  # a slice may lose twice what the whole may: fewer prompts speak for it


class Paired(NamedTuple):
    """A rule, what each prompt says of it (prompts,), and how much each moves the rule's own bound."""

    rule: Rule
    values: Values
    influence: Values


@dataclass(frozen=True, kw_only=True)
class Control:
    """Scores of a control's pictures against the reference's, and what the gate must say of them.

    `which` are the numbers of the prompts that were drawn for it; None is all of the suite's.
    """

    name: str
    scores: Scores
    expected: Outcome
    which: Indices | None = None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gate allows; the defaults are explained where they are used."""

    faithful: tuple[Rule, ...] = FAITHFUL
    margin: Margin = field(default_factory=Margin)
    halved: Scores | None = None  # the reference with half of its calls, where the margin is made of that
    slice_factor: float = SLICE_FACTOR
    broken: float = BROKEN_BOUND
    tolerated: float = BROKEN_TOLERATED

    def of(self, which: Indices) -> Limits:
        """The same on some of the prompts."""
        return self if self.halved is None else replace(self, halved=self.halved.of(which))

    def first(self, count: int) -> Limits:
        """The same on the first prompts."""
        return self.of(np.arange(count))


def verdict(
    floor: Floor,
    candidate: Scores,
    reference: Scores,
    controls: Sequence[Control] = (),
    limits: Limits | None = None,
    prompts: Sequence[Prompt] = (),
) -> Verdict:
    """What follows from a candidate's scores and its reference's own, on the same prompts and seeds.

    `prompts` say which are variants of one another and which slices they belong to; without them each prompt
    stands alone in none. The reference against itself is always the first control and must PASS; `controls`
    must hold a planted damage that FAILs. Where a control does not come out as it must, the verdict is
    INCONCLUSIVE whatever the checks say, and the control's `why` says so. `advisory` and `watched` decide
    nothing. Raises SuiteError where shapes differ, there is one prompt only, or the margin cannot be had.
    """
    if candidate.shape != reference.shape:
        raise SuiteError(f"the candidate has {candidate.shape} scores, the reference {reference.shape}")
    bounds = limits or Limits()
    lines = prompts or _alone(len(candidate.psnr))
    checks, slices = judge(floor, candidate, reference, bounds, lines)
    own = Control(name="the reference against itself", scores=reference, expected="PASS")
    tried = []
    for control in (own, *controls):
        which = control.which if control.which is not None else np.arange(len(lines))
        part = [lines[k] for k in which]
        found, parts = judge(floor, control.scores, reference.of(which), bounds.of(which), part)
        # A slice without an interval blames no control, nor does any of the few prompts of some.
        known = [c for c in parts if c.interval.n > 1 and control.which is None]
        tried.append(_control_check(control, [*found, *known]))
    missing = () if any(c.expected == "FAIL" for c in controls) else (NO_DAMAGE,)
    sound = not missing and all(
        check.outcome == control.expected for check, control in zip(tried, (own, *controls), strict=True)
    )
    return Verdict(
        floor=floor,
        outcome=worst([*checks, *slices]) if sound else "INCONCLUSIVE",
        checks=checks,
        slices=slices,
        watched=watched(candidate, reference, number_units([p.unit for p in lines])),
        controls=(*tried, *missing),
        advisory=advisory(candidate, reference),
        prompts=candidate.shape[0],
        seeds=candidate.shape[1],
    )


def judge(
    floor: Floor, candidate: Scores, reference: Scores, limits: Limits, prompts: Sequence[Prompt]
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """The floor's checks, and its first rule on every slice; without `prompts` each stands alone in none."""
    prompts = prompts or _alone(len(candidate.psnr))
    units = number_units([p.unit for p in prompts])
    rules = FLOORS[floor](candidate, reference, limits)
    means = [mean_check(rule, by_unit(values + moved, units)) for rule, values, moved in rules]
    rare = broken_check(candidate, reference, units, limits.broken, limits.tolerated)
    rule, values, _ = rules[0]  # the bound is the whole suite's: a slice's prompts move it hardly
    return (*means, rare), slice_checks(rule, values, prompts, limits.slice_factor)


def discovered_checks(
    floor: Floor,
    candidate: Scores,
    reference: Scores,
    limits: Limits,
    prompts: Sequence[Prompt],
    read: Callable[[Sequence[str]], Features],
) -> tuple[Check, ...]:
    """Groups of like prompts that lost, found on half of the units and asked about on the other; to watch.

    `read` gives features of texts. Nothing where prompts have no text, or are too few to be grouped.
    """
    names = list(dict.fromkeys(p.unit for p in prompts))
    texts = {p.unit: p.meant for p in prompts}
    if len(names) < FEWEST_TO_GROUP or not all(texts.values()):
        return ()
    rule, values, _ = FLOORS[floor](candidate, reference, limits)[0]
    each = by_unit(values, number_units([p.unit for p in prompts]))
    return group_checks(rule, each, [texts[name] for name in names], read, limits.slice_factor)


def _alone(count: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(prompt=str(k)) for k in range(count))


def require_decidable(suite: Suite, floor: Floor, *, choosing: bool) -> None:
    """Raises SuiteError where a suite has no interval; fewer prompts than would decide are INCONCLUSIVE.

    `choosing` asks for what a search needs too: prompts to choose plans on, and enough to confirm one.
    """
    if floor == "equivalent" and len(suite.seeds) < 2:
        raise SuiteError(f"{floor} needs to know what a new seed changes", "Use two seeds or more")
    alone = len({p.unit for p in suite.confirmation})
    if alone < 2:
        raise SuiteError(f"{alone} confirmation prompts have no interval", "Use 59 or more")
    if not choosing:
        return
    prompts = len({p.unit for p in suite.confirmation})
    if decide(rate_interval(0, prompts), BROKEN_BOUND, "lower") != "PASS":
        needed = prompts_to_decide_rate(0, prompts, BROKEN_BOUND)
        raise SuiteError(
            f"{prompts} prompts to confirm on cannot show that fewer than {100 * BROKEN_BOUND:g} % break",
            f"Use {needed} or more",
        )
    if len(suite.selection) < 2:
        raise SuiteError(f"{len(suite.selection)} selection prompts choose no plan", "Use two or more")


def _equivalent(candidate: Scores, reference: Scores, limits: Limits) -> list[Paired]:
    """As good, maybe another picture: what the judge sees of the prompt in it."""
    may = allowed(limits.margin, reference, limits.halved)
    change = (candidate.alignment - reference.alignment).mean(axis=1)
    rule = Rule(
        metric="alignment",
        label="alignment difference",
        unit="points",
        bound=may.bound,
        direction="higher",
        why=may.why,
    )
    return [Paired(rule, change, may.influence)]


def _faithful(candidate: Scores, reference: Scores, limits: Limits) -> list[Paired]:
    """The same picture."""
    still = np.zeros(len(candidate.psnr))
    return [Paired(rule, getattr(candidate, rule.metric).mean(axis=1), still) for rule in limits.faithful]


FLOORS: dict[Floor, Callable[[Scores, Scores, Limits], list[Paired]]] = {
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
