"""Many comparisons at once err no more often than they say; conformal p-values are right for any score."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from burnish.audit.compare import adjusted, compare, conformal, discoveries, holm, t_test
from burnish.core.errors import SuiteError


def test_holm_is_the_textbook_example() -> None:
    """Of 0.01, 0.04, 0.03 the smallest is tripled, the next doubled, and none is below one before it."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_discoveries_are_scipys() -> None:
    """Benjamini and Hochberg's calls at 10 % are those whose adjusted p-value is at most 0.1."""
    p = np.random.default_rng(0).beta(0.3, 1.0, 50)
    assert np.array_equal(discoveries(p, 0.1), stats.false_discovery_control(p) <= 0.1)
    assert not discoveries(np.array([0.9, 0.5]), 0.1).any()


def test_the_t_test_is_scipys() -> None:
    """The two-sided p-value of a paired t-test; equal differences are certain."""
    values = np.random.default_rng(1).normal(0.3, 1.0, 20)
    assert t_test(values) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert (t_test(np.zeros(5)), t_test(np.ones(5))) == (1.0, 0.0)


def test_a_comparison_is_of_pairs() -> None:
    """The change is optimized - original of the same prompts, so what both share cancels."""
    shared = np.random.default_rng(2).normal(0, 100, 40)
    found = compare("x", shared, shared + 1.0, "points")
    assert (found.change.low, found.change.mean, found.change.high) == pytest.approx((1, 1, 1))
    assert found.optimized.mean - found.original.mean == pytest.approx(1)
    assert found.changed
    with pytest.raises(SuiteError, match="cannot be paired"):
        compare("x", np.zeros(3), np.zeros(4))


def test_a_family_of_nothing_alarms_once_in_twenty_at_most() -> None:
    """Ten comparisons in which nothing changed: some one is called changed in about 5 % of 400 audits."""
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(400):
        p = holm([t_test(rng.normal(0, 1, 25)) for _ in range(10)])
        alarms += min(p) <= 0.05
    assert 0.02 <= alarms / 400 <= 0.085


def test_adjusting_leaves_what_has_no_p_value_alone() -> None:
    """Only p-values are counted, and they come back in place."""
    rng = np.random.default_rng(4)
    found = [compare(str(k), np.zeros(9), rng.normal(0, 1, 9)) for k in range(2)]
    without = found[0].model_copy(update={"p_value": None})
    first, none, second = adjusted([found[0], without, found[1]])
    assert none.p_value is None
    assert [first.p_value, second.p_value] == holm([c.p_value or 0.0 for c in found])


def test_conformal_p_values_count_the_calibration() -> None:
    """(1 + those as large or larger) / (m + 1), ties included; the smallest is 1 / (m + 1)."""
    p = conformal(np.array([0.0, 2.0, 9.0]), np.array([3.0, 1.0, 2.0]))
    assert p == pytest.approx([1.0, 3 / 4, 1 / 4])
    with pytest.raises(SuiteError, match="nothing to calibrate with"):
        conformal(np.zeros(2), np.zeros(0))


def test_conformal_p_values_are_uniform_for_usual_items() -> None:
    """Heavy-tailed scores from the calibration's own law are called at 10 % about one time in ten."""
    rng = np.random.default_rng(5)
    called = [(conformal(rng.standard_cauchy(50), rng.standard_cauchy(99)) <= 0.1).mean() for _ in range(200)]
    assert np.mean(called) == pytest.approx(0.1, abs=0.012)
