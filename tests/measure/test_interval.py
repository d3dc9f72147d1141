"""Intervals cover what they say they cover, and planning agrees with them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from burnish.core.errors import SuiteError
from burnish.measure.interval import (
    MOST_PROMPTS,
    mean_interval,
    prompts_to_decide,
    prompts_to_decide_rate,
    rate_interval,
)

DRAWS = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "skewed": (lambda rng, n: -rng.exponential(1, n), -1.0),
}


@pytest.mark.parametrize(("kind", "least"), [("normal", 0.94), ("skewed", 0.925)])
def test_the_mean_interval_covers_95_percent(kind: str, least: float) -> None:
    """Of 800 two-sided 95 % intervals of 24 values about 95 % hold the true mean, skewed ones nearly."""
    draw, mean = DRAWS[kind]
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(800):
        interval = mean_interval(draw(rng, 24), level=0.975, resamples=400)
        held += interval.low <= mean <= interval.high
    assert least <= held / 800 <= 0.985


def test_the_interval_is_never_narrower_than_students_t() -> None:
    """Each end is t's or further out, and the same values give the same interval."""
    values = np.random.default_rng(1).exponential(1, 30)
    interval = mean_interval(values)
    t = stats.ttest_1samp(values, 0.0).confidence_interval(0.90)
    assert interval.low <= t.low + 1e-12
    assert interval.high >= t.high - 1e-12
    assert interval.high - values.mean() > 1.1 * (t.high - values.mean())  # skewed to the right
    assert interval == mean_interval(values.copy())
    assert (interval.n, interval.confidence) == (30, pytest.approx(0.90))


def test_equal_values_have_a_point_and_one_value_has_no_interval() -> None:
    """No spread is no width; a single prompt raises SuiteError."""
    interval = mean_interval(np.full(10, 3.0))
    assert interval.low == interval.mean == interval.high == 3.0
    with pytest.raises(SuiteError):
        mean_interval(np.array([1.0]))


def test_one_disaster_among_equals_stays_finite() -> None:
    """Resamples without spread widen the interval and do not make it infinite."""
    values = np.zeros(50)
    values[0] = -5.0
    interval = mean_interval(values)
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low < stats.ttest_1samp(values, 0.0).confidence_interval(0.90).low


@pytest.mark.parametrize(("events", "n"), [(0, 59), (0, 300), (1, 20), (7, 64), (10, 10)])
def test_the_rate_interval_is_the_binomial_tests(events: int, n: int) -> None:
    """Both ends are scipy's exact ones."""
    ours = rate_interval(events, n)
    exact = stats.binomtest(events, n).proportion_ci(0.90, method="exact")
    assert (ours.low, ours.high) == pytest.approx((exact.low, exact.high))
    assert ours.mean == events / n


def test_no_event_in_n_is_about_three_over_n() -> None:
    """The rule of three; and 59 prompts are the fewest that show a rate below 5 %."""
    for n in (100, 1000, 10_000):
        assert rate_interval(0, n).high == pytest.approx(3 / n, rel=0.02)
    assert rate_interval(0, 58).high > 0.05 >= rate_interval(0, 59).high


def test_impossible_rates_are_refused() -> None:
    """More events than trials, or no trial, raise SuiteError."""
    for events, n in ((3, 2), (0, 0), (-1, 5)):
        with pytest.raises(SuiteError):
            rate_interval(events, n)


def test_prompts_to_decide_is_the_textbook_number() -> None:
    """A spread of four margins at 5 % and 80 % power is 99 prompts; less margin takes the square more."""
    assert prompts_to_decide(0.0, 4.0, -1.0) == 99
    assert prompts_to_decide(0.0, 4.0, -0.5) == pytest.approx(4 * 99, rel=0.01)
    assert prompts_to_decide(0.0, 4.0, -1.0, n=500) == 501
    assert prompts_to_decide(-1.0, 4.0, -1.0) == MOST_PROMPTS


def test_so_many_prompts_do_decide_four_times_in_five() -> None:
    """With the number it names, the interval's worse end clears the bound in about 80 % of repetitions."""
    rng = np.random.default_rng(2)
    n = prompts_to_decide(0.0, 1.0, -0.4)
    clear = [mean_interval(rng.normal(0, 1, n), resamples=400).low > -0.4 for _ in range(400)]
    assert 0.68 <= np.mean(clear) <= 0.88


def test_prompts_to_decide_a_rate() -> None:
    """None in ten needs 59 for "below 5 %"; one in ten stays above it and some more show that."""
    assert prompts_to_decide_rate(0, 10, 0.05) == pytest.approx(59, abs=1)
    needed = prompts_to_decide_rate(2, 20, 0.05)
    assert 20 < needed < 200
    assert rate_interval(round(needed * 0.1), needed).low > 0.045
    assert prompts_to_decide_rate(1, 20, 0.05) == MOST_PROMPTS
