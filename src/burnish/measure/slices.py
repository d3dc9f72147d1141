"""Slices: parts of a suite that must each be as good, and the part that may be named as regressed.

The two questions are not alike. Every slice must PASS by its own interval, so a bad one gets through at most
one time in twenty however many there are (intersection-union, Berger 1982). But among twenty slices that are
all on their bound one FAILs by chance more often than not, so naming one takes a p-value that accounts for
all that were looked at.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq
from scipy.special import stdtrit

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval, Outcome
from burnish.measure.interval import LEVEL, mean_interval, prompts_to_decide
from burnish.measure.pictures import Features, Flags, Values
from burnish.measure.rules import Direction
from burnish.measure.units import number_units

FLIPS = 2000
FEWEST = 2  # units of a slice that can be judged
CLUSTERS = 8
ROOT = math.sqrt(5.0)
# Two points with mean 0 and variance 1, and how likely the high one is: sign flips, and Mammen's, whose third
# moment is 1.
WEIGHTS = ((-1.0, 1.0, 0.5), ((1 - ROOT) / 2, (1 + ROOT) / 2, (ROOT - 1) / (2 * ROOT)))
TINY = 1e-300
Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SliceFinding:
    """What follows for one slice; `interval` is None where it has fewer than two units.

    `p_value` is adjusted for all slices that were looked at together: how likely a slice as bad as this is
    among them if none is beyond the bound.
    """

    interval: Interval | None
    p_value: float
    outcome: Outcome
    why: str
    prompts_to_decide: int = 0


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """Masks (units,) of the clusters that one half of the units nominated, and what the other half says."""

    slices: Mapping[str, Flags]
    findings: Mapping[str, SliceFinding]


def slice_outcomes(
    values: Values,
    slices: Mapping[str, Flags],
    bound: float,
    direction: Direction = "higher",
    units: Sequence[str] | None = None,
) -> dict[str, SliceFinding]:
    """Each slice's finding, of values (n,) and one mask (n,) a slice, which may overlap.

    `units` names what each value belongs to (a prompt and its typos are one unit); None: each value is its
    own. A unit counts once in a slice, with the mean of its values there. PASS where the slice's one-sided
    95 % interval, no narrower than the whole suite's spread makes it, is on the good side of `bound`. FAIL
    where `accusations` has a p-value below 5 %. Else INCONCLUSIVE. Raises SuiteError where shapes differ,
    there is no value, or one is not finite.
    """
    means, held = _table(values, slices, units)
    p_values = _adjusted(means, held, bound, direction)
    whole = float(means[:, 0].std(ddof=1)) if len(means) >= FEWEST else 0.0
    return {
        name: _finding(means[held[:, k], k], whole, bound, direction, float(p_values[k - 1]))
        for k, name in enumerate(slices, start=1)
    }


def accusations(
    values: Values,
    slices: Mapping[str, Flags],
    bound: float,
    direction: Direction = "higher",
    units: Sequence[str] | None = None,
) -> dict[str, float]:
    """The adjusted p-value of "this slice's true mean is beyond its bound", as `slice_outcomes` takes it.

    Step-down max-T (Westfall and Young, 1993), with the +1 rule of Phipson and Smyth (2010): 2,000 random
    weights from a fixed seed, shared by all slices so that overlaps count, multiply every unit's distance
    from the bound. A slice's statistic is its mean distance over its standard error, taken from its own
    spread or the whole suite's, whichever is greater. The greater p-value of two kinds of weights counts.
    Sign flips are exact where values are symmetric, however heavy their tails. Mammen's weights (Annals of
    Statistics 21, 1993) keep the skewness that sign flips lose. With lognormal values (sigma 1) and nothing
    wrong, sign flips of own t-statistics accused one of twenty slices of twelve in 79 % of 200 draws, and
    Holm's correction of t and bootstrap-t in 36 %: a slice that misses the rare large values has a low mean
    and a small spread at once. What this accuses is in `benchmarks/results/simulation.md`.
    """
    means, held = _table(values, slices, units)
    return dict(zip(slices, map(float, _adjusted(means, held, bound, direction)), strict=True))


def discovered(
    features: Features,
    values: Values,
    bound: float,
    direction: Direction = "higher",
    k: int = CLUSTERS,
    seed: int = 0,
) -> Discovered:
    """Slices that nobody named: clusters of units whose mean is beyond the bound on half of the units.

    `features` (units, d) have rows of norm 1 and are of the prompts, not of the pictures; `values` is
    (units,). k-means finds k clusters on a random half, which nominates those whose mean there is beyond
    `bound`; only the other half, which nominated none, says what follows (as `slice_outcomes`). The same
    `seed` finds the same. Raises SuiteError as `slice_outcomes` does, and below 2k units.
    """
    if features.shape[:1] != values.shape or len(values) < 2 * k:
        raise SuiteError(
            f"{len(values)} values and features {features.shape} are too few for {k} clusters, or do not fit",
            f"Give {2 * k} units or more, with as many rows of features",
        )
    rng = np.random.Generator(np.random.Philox(seed))
    first = np.isin(np.arange(len(values)), rng.permutation(len(values))[: len(values) // 2])
    rows = features.astype(np.float64)
    labels = _clusters(rows[first], rows, k, rng)
    sign = 1.0 if direction == "higher" else -1.0
    masks = {f"cluster {j + 1}": np.asarray(labels == j) for j in range(k)}
    masks = {
        name: mask
        for name, mask in masks.items()
        if (mask & first).any() and sign * (values[mask & first].mean() - bound) < 0
    }
    judged = {name: mask[~first] for name, mask in masks.items()}
    return Discovered(slices=masks, findings=slice_outcomes(values[~first], judged, bound, direction))


def _clusters(seen: Values, rows: Values, k: int, rng: np.random.Generator) -> Counts:
    """The cluster of each of `rows`, by the nearest of k centres of `seen`; an empty cluster stays empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster without rows
        centres, _ = kmeans2(seen, _spread_out(seen, k, rng), minit="matrix")
    return np.asarray(vq(rows, centres)[0])


def _spread_out(rows: Values, k: int, rng: np.random.Generator) -> Values:
    """Rows to start from, each likelier the farther it is from those before (k-means++, Arthur 2007)."""
    chosen = [int(rng.integers(len(rows)))]
    while len(chosen) < k:
        distance = np.square(rows[:, None] - rows[chosen]).sum(axis=-1).min(axis=1)
        total = distance.sum()
        chosen.append(int(rng.choice(len(rows), p=distance / total if total > 0 else None)))
    return rows[chosen]


def _table(values: Values, slices: Mapping[str, Flags], units: Sequence[str] | None) -> tuple[Values, Flags]:
    """Means (units, 1 + slices), the whole first, and which of them exist; the others are 0."""
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise SuiteError(
            f"values {values.shape} are not one finite number a prompt", "Look at what they are of"
        )
    if units is not None and len(units) != len(values):
        raise SuiteError(f"{len(values)} values cannot belong to {len(units)} units", "Name one unit a value")
    for name, mask in slices.items():
        if mask.shape != values.shape or mask.dtype != np.bool_:
            raise SuiteError(f"the slice {name!r} is {mask.dtype} {mask.shape}, values are {values.shape}")
    codes = np.arange(len(values)) if units is None else number_units(units)
    masks = [np.ones(len(values), dtype=np.bool_), *slices.values()]
    counts = np.stack([np.bincount(codes, mask) for mask in masks], axis=1)
    sums = np.stack([np.bincount(codes, values * mask) for mask in masks], axis=1)
    return sums / np.maximum(counts, 1), counts > 0


def _interval(values: Values, whole: float) -> Interval:
    """`mean_interval`, no narrower than Student's t with the whole suite's spread.

    Twelve units that all miss a loss which one in ten shows have no spread of their own; the suite has.
    """
    own = mean_interval(values)
    reach = float(stdtrit(own.n - 1, LEVEL)) * whole / math.sqrt(own.n)
    wider = {"low": min(own.low, own.mean - reach), "high": max(own.high, own.mean + reach)}
    return own.model_copy(update=wider)


def _finding(
    values: Values, whole: float, bound: float, direction: Direction, p_value: float
) -> SliceFinding:
    """One slice's, of the values of its units and the spread of the whole suite's."""
    n = len(values)
    if n < FEWEST:
        why = f"{n} independent prompts cannot be judged; use {FEWEST} at the very least"
        return SliceFinding(interval=None, p_value=1.0, outcome="INCONCLUSIVE", why=why)
    interval = _interval(values, whole)
    good = interval.low >= bound if direction == "higher" else interval.high <= bound
    if good:
        why = "its interval is on the good side of the bound"
        return SliceFinding(interval=interval, p_value=p_value, outcome="PASS", why=why)
    if p_value < 1 - LEVEL:
        why = "it regressed beyond the bound, and chance among all slices does not explain it"
        return SliceFinding(interval=interval, p_value=p_value, outcome="FAIL", why=why)
    needed = prompts_to_decide(interval.mean, max(whole, float(values.std(ddof=1))), bound, n)
    why = "it neither shows that it is as good nor that it regressed"
    return SliceFinding(
        interval=interval, p_value=p_value, outcome="INCONCLUSIVE", why=why, prompts_to_decide=needed
    )


def _adjusted(means: Values, held: Flags, bound: float, direction: Direction) -> Values:
    """The p-value of each slice (slices,); 1 where it has fewer than two units."""
    sign = -1.0 if direction == "higher" else 1.0
    short = np.where(held, sign * (means - bound), 0.0)  # how far each unit is beyond the bound
    tested = np.flatnonzero(held.sum(axis=0) >= FEWEST)[1:] if len(held) >= FEWEST else np.array([], int)
    p_values = np.ones(held.shape[1])
    if len(tested):
        columns = np.concatenate([[0], tested])  # the whole, for its spread
        short, held = short[:, columns], held[:, columns]
        found, seen = [], _statistics(np.ones((1, len(held))), short, held)[0]
        for high, (low_weight, high_weight, _) in zip(_draws(len(held)), WEIGHTS, strict=True):
            chance = _statistics(np.where(high, high_weight, low_weight), short, held)
            found.append(_step_down(seen, chance))
        p_values[tested] = np.max(found, axis=0)
    return p_values[1:]


@lru_cache(maxsize=1)  # one suite's slices are judged by several metrics
def _draws(n: int) -> tuple[Flags, ...]:
    """For each of `WEIGHTS`, which of `FLIPS` x n weights are the high one."""
    rng = np.random.Generator(np.random.Philox(n))
    return tuple(rng.random((FLIPS, n)) < share for _, _, share in WEIGHTS)


def _statistics(weights: Values, short: Values, held: Flags) -> Values:
    """Studentised means (weights, slices) of weighted distances from the bound; column 0 is the whole."""
    n = held.sum(axis=0)
    means = weights @ short / n
    variance = np.square(weights) @ np.square(short) / n - np.square(means)
    variance = np.maximum(variance, 0.0) * n / (n - 1)
    spread = np.sqrt(np.maximum(np.maximum(variance, variance[:, :1]), TINY))
    return np.asarray(means / spread * np.sqrt(n))[:, 1:]


def _step_down(seen: Values, chance: Values) -> Values:
    """Adjusted p-values (slices,): the worst against the worst of all, the next against that of the rest."""
    order = np.argsort(-seen)
    worst = np.maximum.accumulate(chance[:, order[::-1]], axis=1)[:, ::-1]
    reached = worst >= seen[order] - 1e-9 * np.abs(seen[order])
    p_values = np.empty_like(seen)
    p_values[order] = np.maximum.accumulate((1 + reached.sum(axis=0)) / (1 + len(chance)))
    return p_values
