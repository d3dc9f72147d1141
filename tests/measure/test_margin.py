"""Margins, each in a unit that means something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.core.errors import SuiteError
from burnish.measure.gate import Limits, judge
from burnish.measure.margin import Margin, allowed, read_margin, require_unit
from tests.measure.test_gate import SEED_SD, changed, reference


@pytest.mark.parametrize(
    ("text", "margin"),
    [
        ("0.25 of seeds", Margin(amount=0.25, of="seeds")),
        ("0.5 of halved calls", Margin(amount=0.5, of="halved calls")),
        (" 1.5 points ", Margin(amount=1.5, of="points")),
    ],
)
def test_a_margin_is_read_as_it_is_written(text: str, margin: Margin) -> None:
    """Each of the three units has words, which come back the same."""
    assert read_margin(text) == margin
    assert read_margin(str(margin)) == margin


@pytest.mark.parametrize("text", ["", "0.25", "0 points", "-1 points", "1e3 points", "2 of hearts", "seeds"])
def test_what_is_no_margin_is_refused(text: str) -> None:
    """Other words, no number, zero and negative ones raise SuiteError with an example."""
    with pytest.raises(SuiteError, match="no margin") as refused:
        read_margin(text)
    assert "of seeds" in refused.value.remedy


def test_each_unit_sets_its_bound() -> None:
    """A quarter of the seed spread, half of what halving loses, and plain points."""
    rng = np.random.default_rng(0)
    ref = reference(rng, 400)
    halved = changed(ref, rng, 3.0)
    assert allowed(Margin(), ref).bound == pytest.approx(-0.25 * SEED_SD, rel=0.05)
    assert allowed(Margin(amount=0.5, of="halved calls"), ref, halved).bound == pytest.approx(-1.5, rel=0.1)
    assert allowed(Margin(amount=1.2, of="points"), ref).bound == -1.2


def test_halving_that_loses_nothing_is_no_unit() -> None:
    """Where the judge sees no loss in half the calls, or it was not drawn, SuiteError says what to do."""
    rng = np.random.default_rng(1)
    ref = reference(rng, 60)
    asked = Margin(amount=0.5, of="halved calls")
    with pytest.raises(SuiteError, match="no unit") as refused:
        require_unit(ref, changed(ref, rng, 0.0))
    assert "of seeds" in refused.value.remedy
    with pytest.raises(SuiteError, match="halved calls"):
        allowed(asked, ref)


@pytest.mark.parametrize("of", ["seeds", "halved calls"])
def test_an_estimated_margin_lets_the_margin_itself_through_one_time_in_twenty(of: str) -> None:
    """A candidate that loses exactly the true margin passes in at most 5 % of draws."""
    rng = np.random.default_rng(2)
    passed = 0
    for _ in range(400):
        ref = reference(rng, 60)
        halved = changed(ref, rng, 2.0, sd=4.0)
        margin = Margin(amount=0.25, of="seeds") if of == "seeds" else Margin(amount=0.25, of="halved calls")
        candidate = changed(ref, rng, 0.5, sd=0.2)  # both margins are truly half a point
        checks, _ = judge("equivalent", candidate, ref, Limits(margin=margin, halved=halved), ())
        passed += checks[0].outcome == "PASS"
    assert 0.005 <= passed / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_limits_follow_a_choice_of_prompts() -> None:
    """The halved reference is cut to the same prompts as everything else."""
    rng = np.random.default_rng(3)
    ref = reference(rng, 20)
    limits = Limits(halved=changed(ref, rng, 1.0))
    which = np.array([3, 7, 11])
    part = limits.of(which).halved
    assert part is not None
    assert (part.alignment == replace(limits).halved.alignment[which]).all()
