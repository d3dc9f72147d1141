"""The gate's verdict on pictures from anywhere, against the same reference as Burnish's own bundles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.api.models import open_bundle
from burnish.api.verdicts import default_judge
from burnish.core.evidence import Check, Suite, Verdict
from burnish.measure.arena import Arena, Eyes, Report, make_arena
from burnish.measure.controls import armed
from burnish.measure.pictures import Pictures


def first_prompts(suite: Suite, count: int | None) -> Suite:
    """The suite with its first `count` confirmation prompts; None is all."""
    return suite.model_copy(update={"confirmation": suite.confirmation[:count]})


def open_arena(model: str, suite: Suite, report: Report) -> Arena:
    """The model's own 50 calls in fp32 on the confirmation prompts, with the controls planted in pictures."""
    reference = open_bundle(model)
    eyes = Eyes(default_judge(reference.bundle.model, "equivalent"))
    return armed(make_arena(suite, "confirmation", eyes, "equivalent", reference, report))


def judged(arena: Arena, pictures: Sequence[Pictures]) -> Verdict:
    """The verdict on pictures in the suite's order, a prompt's seeds together; raises SuiteError."""
    return arena.verdict(arena.score(by_prompt(pictures, len(arena.suite.seeds))))


def by_prompt(pictures: Sequence[Pictures], seeds: int) -> list[Pictures]:
    """(seeds, height, width, 3) a prompt, of single pictures."""
    return [np.stack(pictures[k : k + seeds]) for k in range(0, len(pictures), seeds)]


def reason(verdict: Verdict) -> str:
    """The checks that kept it from PASS, worst first."""
    order = {"FAIL": 0, "INCONCLUSIVE": 1}
    own = [c for c in (*verdict.checks, *verdict.slices) if c.outcome in order]
    wrong = [c for c in verdict.controls if c.outcome == "INCONCLUSIVE"]
    found = sorted(own, key=lambda c: order[c.outcome]) or (wrong if verdict.outcome != "PASS" else [])
    return "; ".join(_said(c) for c in found[:2])


def _said(check: Check) -> str:
    known = check.interval
    return f"{check.metric} {known.mean:.3g} ({known.low:.3g} to {known.high:.3g}), bound {check.bound:.3g}"
