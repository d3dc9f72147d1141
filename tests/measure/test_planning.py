"""The number of prompts that is planned gives the power that is promised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from burnish.core.errors import SuiteError
from burnish.measure.interval import MOST_PROMPTS, rate_interval
from burnish.measure.planning import planned_prompts, planned_rate_prompts, power_of_each, sd_limit

PILOT = np.random.default_rng(0).normal(0, 1, 60)


def test_the_spread_that_is_planned_with_is_enough_for_four_pilots_in_five() -> None:
    """Of 4,000 pilots of ten normal values, 80 % have a limit above the true spread."""
    pilots = np.random.default_rng(1).normal(0, 2.0, (4000, 10))
    above = np.mean([sd_limit(pilot) > 2.0 for pilot in pilots])
    assert above == pytest.approx(0.8, abs=0.02)


def test_the_number_is_the_textbooks_and_a_little_more() -> None:
    """Above the noncentral t's own n for that spread, by at most a tenth; the one below lacks power."""
    n = planned_prompts(PILOT, -0.3)
    effect = 0.3 / sd_limit(PILOT)

    def power(size: int) -> float:
        return float(stats.nct.sf(stats.t.ppf(0.95, size - 1), size - 1, effect * np.sqrt(size)))

    exact = next(size for size in range(2, 1000) if power(size) >= 0.8)
    assert exact < n <= 1.1 * exact


def test_directions_and_units_do_not_matter() -> None:
    """Lower is better mirrors higher is better, and a scale of values and bound cancels."""
    n = planned_prompts(PILOT, -0.3)
    assert planned_prompts(-PILOT, 0.3, "lower") == n
    assert planned_prompts(10 * PILOT + 5, -3.0) == n
    assert planned_prompts(PILOT, 0.7, true=1.0) == n
    assert planned_prompts(PILOT, -0.3, power=0.95) > 1.4 * n
    assert planned_prompts(np.tile(PILOT, 50), -0.3) < n  # a surer spread


def test_what_never_passes_and_what_always_does() -> None:
    """On the bound, beyond it or too near is 10^6; no spread needs two; one value shows none."""
    for true in (-0.3, -1.0, -0.3 + 1e-6):
        assert planned_prompts(PILOT, -0.3, true=true) == MOST_PROMPTS
    assert planned_prompts(np.zeros(9), -0.3) == 2
    with pytest.raises(SuiteError, match="no spread"):
        planned_prompts(PILOT[:1], -0.3)


@pytest.mark.parametrize(("true", "bound"), [(0.0, 0.05), (0.01, 0.05), (0.02, 0.05), (0.2, 0.4)])
def test_planned_rate_prompts_are_the_fewest_with_the_power(true: float, bound: float) -> None:
    """Every smaller number passes less often, by the binomial and the gate's own interval."""

    def power(n: int) -> float:
        most = max((k for k in range(40) if k <= n and rate_interval(k, n).high <= bound), default=-1)
        return float(stats.binom.cdf(most, n, true))

    n = planned_rate_prompts(bound, true)
    assert power(n) >= 0.8
    assert max(power(size) for size in range(max(1, n - 30), n)) < 0.8


def test_fifty_nine_prompts_show_a_rate_below_five_percent() -> None:
    """With no event expected; a rate on its bound is never shown to be below it."""
    assert planned_rate_prompts(0.05) == 59
    assert planned_rate_prompts(0.05, true=0.05) == MOST_PROMPTS


def test_checks_that_must_pass_together_need_more_power_each() -> None:
    """Alone a check needs what is asked; of five each fails a fifth as often, and its prompts are more."""
    assert power_of_each(1) == power_of_each(0) == pytest.approx(0.8)
    assert power_of_each(5) == pytest.approx(0.96)
    assert planned_prompts(PILOT, -0.5, power=power_of_each(5)) > planned_prompts(PILOT, -0.5)
