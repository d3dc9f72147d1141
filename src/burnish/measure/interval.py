"""How sure a mean or a rate over prompts is, and how many prompts would make it sure.

`level` is one-sided: an interval at level 0.95 has 95 % confidence at each end, 90 % between them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincinv, ndtri, stdtrit

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval
from burnish.measure.pictures import Values

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 2000
STRETCH = 2.0  # of what bootstrap-t asks beyond Student's t
CHUNK = 1 << 20  # numbers drawn at once: 16 MB, whatever the number of prompts
MOST_PROMPTS = 1_000_000  # "practically never", and what keeps answers finite


def mean_interval(values: Values, level: float = LEVEL, resamples: int = RESAMPLES) -> Interval:
    """Interval of the mean of (n,) independent values: Student's t, each end wider where bootstrap-t is.

    Student's t is exact for normal values and the better of the two at small n, but with skewed ones its
    thin end covers too little. Bootstrap-t (Efron 1981; Hall, Annals of Statistics 16, 1988) corrects for
    skewness, but by about half of what is needed where it is strong (`benchmarks/simulation.py`): an end is
    moved by twice as much as bootstrap-t moves it out, and never in. The generator's seed is fixed: the same
    values always give the same interval. Raises SuiteError below n = 2.
    """
    n = len(values)
    if n < 2:
        raise SuiteError(f"{n} prompts have no interval", "Use two prompts at the very least")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)
    if error == 0.0:
        return Interval(mean=mean, low=mean, high=mean, n=n, confidence=2 * level - 1)
    t = float(stdtrit(n - 1, level))
    ratios = _bootstrap_t(values, resamples)
    down = t + STRETCH * max(0.0, float(np.quantile(ratios, level)) - t)
    up = t + STRETCH * max(0.0, -float(np.quantile(ratios, 1 - level)) - t)
    return Interval(mean=mean, low=mean - down * error, high=mean + up * error, n=n, confidence=2 * level - 1)


def _bootstrap_t(values: Values, resamples: int) -> Values:
    n = len(values)
    rng = np.random.Generator(np.random.Philox(n))
    mean = values.mean()
    # A resample that repeats one value has no spread; this floor keeps its ratio large but finite.
    floor = values.std(ddof=1) / math.sqrt(n)
    step = max(1, CHUNK // n)
    ratios = []
    for start in range(0, resamples, step):
        drawn = values[rng.integers(0, n, size=(min(step, resamples - start), n), dtype=np.int32)]
        spread = np.maximum(drawn.std(axis=1, ddof=1), floor)
        ratios.append((drawn.mean(axis=1) - mean) / (spread / math.sqrt(n)))
    return np.concatenate(ratios)


def rate_interval(events: int, n: int, level: float = LEVEL) -> Interval:
    """Exact interval of a rate from `events` of n (Clopper and Pearson, Biometrika 26, 1934), in [0, 1].

    With no event in n the upper end is 1 - (1 - level)^(1/n), about 3/n at 95 %. Raises SuiteError unless
    0 <= events <= n and n > 0.
    """
    if not 0 <= events <= n or n == 0:
        raise SuiteError(f"{events} of {n} is no rate")
    low, high = _clopper_pearson(np.array(float(events)), np.array(float(n)), level)
    return Interval(mean=events / n, low=float(low), high=float(high), n=n, confidence=2 * level - 1)


def _clopper_pearson(events: Values, n: Values, level: float) -> tuple[Values, Values]:
    """Both ends; `events` may be fractional, for planning. betaincinv is the quantile of a beta."""
    low = np.where(events > 0, betaincinv(np.maximum(events, 1e-9), n - events + 1, 1 - level), 0.0)
    high = np.where(events < n, betaincinv(events + 1, np.maximum(n - events, 1e-9), level), 1.0)
    return low, high


def prompts_to_decide(
    mean: float, sd: float, bound: float, n: int = 0, level: float = LEVEL, power: float = POWER
) -> int:
    """About how many prompts would decide if the true mean and spread are those seen, above n, at most 10^6.

    ((z_level + z_power) sd / (mean - bound))^2, in 80 % of repetitions by default. A mean that sits on its
    bound is never decided: 10^6 stands for that.
    """
    gap = abs(mean - bound)
    z = float(ndtri(level) + ndtri(power))
    if gap * math.sqrt(MOST_PROMPTS) <= z * sd:
        return MOST_PROMPTS
    return max(n + 1, math.ceil((z * sd / gap) ** 2))


def prompts_to_decide_rate(
    events: int, n: int, bound: float, level: float = LEVEL, tolerated: float | None = None
) -> int:
    """About how many prompts would put a rate's interval below `bound` or above what is `tolerated`.

    If the rate stays as seen; `tolerated` None is the bound.
    Above n, at most 10^6, exact to 1 %: with no event and a bound of 5 % it is 59.
    """
    sizes = np.unique(np.geomspace(n + 1, MOST_PROMPTS, 2000).astype(np.int64)).astype(np.float64)
    low, high = _clopper_pearson(sizes * (events / n), sizes, level)
    decided = (high <= bound) | (low > (bound if tolerated is None else tolerated))
    return int(sizes[decided][0]) if decided.any() else MOST_PROMPTS
