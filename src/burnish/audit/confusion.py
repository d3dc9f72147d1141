"""Shares that an imperfect judge counts, corrected by its own errors on pictures whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval
from burnish.measure.pictures import Values

RESAMPLES = 2000
Z = float(ndtri(0.95))
MOST_GAIN = 5.0  # an error of one point in what is seen becomes at most five in what is said
MOST_UNUSABLE = 0.05  # of resamplings


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What the judge said of (m,) pictures whose class is known; those of one `group` are not independent."""

    true: NDArray[np.int64]
    judged: NDArray[np.int64]
    group: NDArray[np.int64]
    classes: int

    def by_group(self) -> Values:
        """(groups, classes, classes) counts: how often the judge said j of a picture of class i."""
        _, place = np.unique(self.group, return_inverse=True)
        counts = np.zeros((place.max() + 1, self.classes, self.classes))
        np.add.at(counts, (place, self.true, self.judged), 1.0)
        return counts


def confusion(counts: Values) -> Values:
    """(..., k, k) P(judge says j | class i) from counts; raises SuiteError where a class has no picture."""
    total = counts.sum(axis=-1, keepdims=True)
    if not total.all():
        raise SuiteError("a class has no picture whose answer is known", "Calibrate with some of every class")
    return counts / total


def gain(matrix: Values) -> Values:
    """(...) how much correction enlarges an error at worst, 1 for a perfect judge, infinite for a blind one.

    The 1-norm of the inverse of the transposed (k, k) matrix; with two classes at least 1 / Youden's J.
    """
    flat = matrix.reshape(-1, *matrix.shape[-2:])
    found = [
        np.abs(np.linalg.inv(one.T)).sum(axis=0).max() if abs(np.linalg.det(one)) > 1e-9 else np.inf
        for one in flat
    ]
    return np.array(found).reshape(matrix.shape[:-2])


def correct(seen: Values, matrix: Values) -> Values:
    """(..., k) true shares from those that the judge saw (..., k): solves seen = true @ matrix.

    With two classes it is Rogan and Gladen's estimate (American Journal of Epidemiology 107, 1978), (seen +
    specificity - 1) / (sensitivity + specificity - 1). Clipped to the simplex: what comes out below 0 is 0,
    and the rest is scaled to a sum of 1.
    """
    swapped = np.swapaxes(matrix, -1, -2)
    clipped = np.maximum(np.linalg.solve(swapped, seen[..., None])[..., 0], 0.0)
    return clipped / clipped.sum(axis=-1, keepdims=True)


def usable(calibration: Calibration) -> bool:
    """Whether the judge can tell the classes apart: the gain is at most 5, in 95 of 100 resamplings too."""
    counts = calibration.by_group()
    if not counts.sum(axis=(0, 2)).all() or gain(confusion(counts.sum(axis=0))) > MOST_GAIN:
        return False
    return bool((gain(_resampled(counts, np.random.default_rng(0), 200)) > MOST_GAIN).mean() <= MOST_UNUSABLE)


class Corrected(NamedTuple):
    """A class's share in both models' pictures, the change, and a two-sided p-value that there is none."""

    original: Interval
    optimized: Interval
    change: Interval
    p_value: float


def corrected(
    original: Values, optimized: Values, calibration: Calibration, resamples: int = RESAMPLES
) -> list[Corrected]:
    """Every class's corrected share, from shares (prompts, k) that the judge saw in both models' pictures.

    90 % percentile intervals of a bootstrap over prompts and over the calibration's groups at once, both
    models with the same draw: errors of the judge that both share cancel in the change. A bootstrap has no
    width where nothing varied, so each interval reaches at least as far as a score interval does then,
    z^2 / (n + z^2) in what the judge sees (see `measure.proportions`), as far as correction can enlarge it.
    The p-value is the smallest level at which the percentile interval of the change leaves 0 out. Raises
    SuiteError where shapes differ, or the judge cannot tell the classes apart.
    """
    if original.shape != optimized.shape or len(original) < 2:
        raise SuiteError(f"shares {original.shape} and {optimized.shape} are no pairs of two prompts or more")
    if not usable(calibration):
        raise SuiteError("the judge cannot tell these classes apart", "Give a better judge")
    rng = np.random.default_rng(len(original))
    counts = calibration.by_group()
    matrix = confusion(counts.sum(axis=0))
    matrices = _resampled(counts, rng, resamples)
    picks = rng.multinomial(len(original), np.full(len(original), 1 / len(original)), size=resamples)
    sides = [
        (correct(s.mean(axis=0), matrix), correct(picks @ s / len(s), matrices))
        for s in (original, optimized)
    ]
    (a, many_a), (b, many_b) = sides
    triples = ((a, many_a, 0.0), (b, many_b, 0.0), (b - a, many_b - many_a, -1.0))
    reach = Z**2 / (len(original) + Z**2) * np.ptp(np.linalg.inv(matrix), axis=0)
    intervals = [_intervals(mean, many, reach, least, len(original)) for mean, many, least in triples]
    drawn = np.stack([many_b - many_a <= 0, many_b - many_a >= 0]).sum(axis=1).min(axis=0)
    p_values = np.minimum(1.0, 2 * (1 + drawn) / (resamples + 1)).tolist()
    return [Corrected(*found) for found in zip(*intervals, p_values, strict=True)]


def _resampled(counts: Values, rng: np.random.Generator, resamples: int) -> Values:
    """(resamples, k, k) matrices; a class that a resample lost keeps the row of all pictures."""
    groups = len(counts)
    picks = rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    drawn = np.einsum("rg,gij->rij", picks, counts)
    whole = counts.sum(axis=0)
    return confusion(np.where(drawn.sum(axis=-1, keepdims=True) > 0, drawn, whole))


def _intervals(means: Values, drawn: Values, reach: Values, least: float, n: int) -> list[Interval]:
    """One a class, of (k,) estimates, (resamples, k) resampled ones and (k,) least half-widths."""
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    lows = np.maximum(np.minimum(low, means - reach), least).tolist()
    highs = np.minimum(np.maximum(high, means + reach), 1.0).tolist()
    return [Interval(mean=m, low=a, high=b, n=n) for m, a, b in zip(means.tolist(), lows, highs, strict=True)]
