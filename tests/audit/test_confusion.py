"""Corrected shares are the true ones, their intervals hold them, and a blind judge is refused."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.audit.confusion import Calibration, confusion, correct, corrected, gain, usable
from burnish.core.errors import SuiteError

ERRORS = np.array([[0.85, 0.1, 0.05], [0.15, 0.75, 0.1], [0.1, 0.2, 0.7]])


def calibration(rng: np.random.Generator, matrix: np.ndarray, each: int) -> Calibration:
    """A judge with known error rates asked about `each` pictures a class, every one a group of its own."""
    k = len(matrix)
    true = np.repeat(np.arange(k), each)
    judged = np.array([rng.choice(k, p=matrix[c]) for c in true])
    return Calibration(true=true, judged=judged, group=np.arange(k * each), classes=k)


def looked_at(rng: np.random.Generator, true: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(n, k) what that judge sees in pictures of the classes `true`."""
    return np.eye(len(matrix))[[rng.choice(len(matrix), p=matrix[c]) for c in true]]


@pytest.mark.parametrize("prevalence", [0.0, 0.2, 0.5, 1.0])
def test_two_classes_are_rogan_and_gladens_estimate(prevalence: float) -> None:
    """(seen + specificity - 1) / (sensitivity + specificity - 1) gives back the prevalence."""
    sensitivity, specificity = 0.9, 0.7
    matrix = np.array([[sensitivity, 1 - sensitivity], [1 - specificity, specificity]])
    positive = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    by_hand = (positive + specificity - 1) / (sensitivity + specificity - 1)
    found = correct(np.array([positive, 1 - positive]), matrix)
    assert found == pytest.approx([by_hand, 1 - by_hand], abs=1e-12)
    assert by_hand == pytest.approx(prevalence)


def test_three_classes_come_back_and_stay_on_the_simplex() -> None:
    """What the judge would see of known shares gives them back; impossible counts are clipped."""
    true = np.array([0.5, 0.2, 0.3])
    assert correct(true @ ERRORS, ERRORS) == pytest.approx(true)
    clipped = correct(np.array([1.0, 0.0, 0.0]), ERRORS)
    assert clipped.min() == 0.0
    assert clipped.sum() == pytest.approx(1.0)


def test_the_gain_of_two_classes_is_one_over_youdens_j() -> None:
    """Equal errors of e give 1 / (1 - 2 e); a judge that guesses has no bound."""
    assert gain(np.array([[0.8, 0.2], [0.2, 0.8]])) == pytest.approx(1 / 0.6)
    assert gain(np.eye(3)) == pytest.approx(1.0)
    assert np.isinf(gain(np.full((2, 2), 0.5)))


def test_a_blind_judge_is_refused() -> None:
    """A judge that guesses, or has never been asked about a class, says nothing."""
    rng = np.random.default_rng(0)
    assert usable(calibration(rng, ERRORS, 60))
    blind = calibration(rng, np.full((2, 2), 0.5), 200)
    assert not usable(blind)
    shares = np.tile([0.5, 0.5], (10, 1))
    with pytest.raises(SuiteError, match="cannot tell these classes apart"):
        corrected(shares, shares, blind)
    ones = np.ones(9, dtype=np.int64)
    assert not usable(Calibration(true=ones, judged=ones, group=np.arange(9), classes=2))
    with pytest.raises(SuiteError, match="a class has no picture"):
        confusion(np.array([[0.0, 0.0], [1.0, 2.0]]))


def test_intervals_hold_the_true_shares_and_the_true_change() -> None:
    """Of 60 audits with a planted shift of 25 points, 90 % intervals hold truth in about nine of ten."""
    rng = np.random.default_rng(1)
    before, after = np.array([0.30, 0.30, 0.40]), np.array([0.55, 0.20, 0.25])
    held = np.zeros((60, 3, 3), dtype=bool)
    for k in range(60):
        known = calibration(rng, ERRORS, 80)
        sides = [looked_at(rng, rng.choice(3, 120, p=truth), ERRORS) for truth in (before, after)]
        found = corrected(sides[0], sides[1], known, resamples=300)
        for c, intervals in enumerate(found):
            truths = (before[c], after[c], after[c] - before[c])
            held[k, c] = [i.low <= t <= i.high for i, t in zip(intervals[:3], truths, strict=True)]
    assert held.mean() == pytest.approx(0.9, abs=0.05)


def test_where_nothing_varied_a_change_is_not_ruled_out() -> None:
    """Twelve prompts on which both models agree leave room for what a score interval leaves: 0.184."""
    seen = np.tile([1.0, 0.0], (12, 1))
    perfect = Calibration(
        true=np.repeat([0, 1], 50), judged=np.repeat([0, 1], 50), group=np.arange(100), classes=2
    )
    original, _, change, p = corrected(seen, seen, perfect)[0]
    assert p == 1.0
    assert (change.low, change.high) == pytest.approx((-0.184, 0.184), abs=1e-3)
    assert (original.low, original.high) == pytest.approx((0.816, 1.0), abs=1e-3)


def test_pictures_of_one_group_count_as_one() -> None:
    """Twenty copies of each calibration picture leave the interval as wide as the pictures themselves do."""
    rng = np.random.default_rng(2)
    once = calibration(rng, ERRORS, 20)
    copies = Calibration(
        true=np.repeat(once.true, 20),
        judged=np.repeat(once.judged, 20),
        group=np.repeat(once.group, 20),
        classes=3,
    )
    seen = looked_at(rng, rng.choice(3, 4000), ERRORS)
    widths = [corrected(seen, seen, c)[0][0] for c in (once, copies)]
    assert widths[1] == widths[0]
