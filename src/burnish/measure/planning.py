"""How many prompts a suite needs, said before the run that is judged, from a pilot on other prompts."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtr, chdtri, nctdtr, ndtri, stdtrit

from burnish.core.errors import SuiteError
from burnish.measure.interval import LEVEL, MOST_PROMPTS, POWER
from burnish.measure.pictures import Values
from burnish.measure.rules import Direction

SURE_OF_SPREAD = 0.8  # how sure the spread that is planned with is at least the true one


def planned_prompts(
    pilot: Values,
    bound: float,
    direction: Direction = "higher",
    true: float = 0.0,
    level: float = LEVEL,
    power: float = POWER,
) -> int:
    """Prompts with which a candidate whose true mean is `true` passes in `power` of runs, at most 10^6.

    `pilot` is (n,) values of other prompts, in the unit of `bound` and `true`. Its spread is itself not
    certain, so the upper 80 % confidence limit of it is planned with (Browne, Statistics in Medicine 14,
    1995): the promised power comes about for at least four pilots in five. Given that spread the number is
    exact for normal values (noncentral t), plus what `mean_interval` is wider than t. A `true` mean that
    is not on the good side of its bound never passes: 10^6 stands for that. Raises SuiteError below two
    values.
    """
    if len(pilot) < 2:
        raise SuiteError(f"a pilot of {len(pilot)} prompts shows no spread", "Use ten prompts or more")
    gap = true - bound if direction == "higher" else bound - true
    spread = sd_limit(pilot)
    if gap <= 0 or gap * math.sqrt(MOST_PROMPTS) <= (ndtri(level) + ndtri(power)) * spread:
        return MOST_PROMPTS
    if spread == 0:
        return 2
    n = max(2, math.floor(((ndtri(level) + ndtri(power)) * spread / gap) ** 2))
    while _power(n, gap / spread, level) < power:
        n += 1
    return min(n, MOST_PROMPTS)


def sd_limit(pilot: Values, sure: float = SURE_OF_SPREAD) -> float:
    """The standard deviation that the true one of (n,) normal values is below with confidence `sure`."""
    freedom = len(pilot) - 1
    return float(pilot.std(ddof=1) * math.sqrt(freedom / chdtri(freedom, sure)))


def _power(n: int, effect: float, level: float) -> float:
    """How often the interval of n normal values clears a bound that is `effect` spreads below their mean."""
    cut = stdtrit(n - 1, level) * _wider(n)
    return float(1.0 - nctdtr(n - 1, effect * math.sqrt(n), cut))


def _wider(n: int) -> float:
    """How many times wider than Student's t `mean_interval` is, as measured on t-distributed values (5 df).

    1.19, 1.13, 1.07 and 1.03 of 12, 24, 60 and 120 values; normal ones widen it by a little less.
    """
    return 1.02 + 2.4 / n


def planned_rate_prompts(bound: float, true: float = 0.0, level: float = LEVEL, power: float = POWER) -> int:
    """The fewest prompts with which a true rate of `true` is shown to be below `bound` in `power` of runs.

    At most 10^6, which also stands for a rate that is not below its bound. Exact (binomial; Clopper and
    Pearson, as in `rate_interval`): with no event expected and a bound of 5 % it is 59. Power is a saw: it
    falls until one event more is allowed, so a few prompts more than these may pass a little less often.
    """
    if true >= bound:
        return MOST_PROMPTS
    first, count = 0, 64  # in growing parts, since few events are allowed in most plans
    while first <= MOST_PROMPTS * bound:
        allowed = np.arange(first, first + count, dtype=np.float64)
        fewest = _fewest(allowed, bound, level)
        enough = (bdtr(allowed, fewest, true) >= power) & (fewest <= MOST_PROMPTS)
        if enough.any():
            return int(fewest[enough][0])
        first, count = first + count, 2 * count
    return MOST_PROMPTS


def _fewest(events: Values, bound: float, level: float) -> Values:
    """The fewest of which `events` are shown to be below `bound`, by bisection, for each of `events`."""
    low, high = events, np.full_like(events, 2.0 * MOST_PROMPTS)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        shown = bdtr(events, middle, bound) <= 1 - level
        low, high = np.where(shown, low, middle), np.where(shown, middle, high)
    return np.asarray(high)


def power_of_each(checks: int, power: float = POWER) -> float:
    """What each of so many checks needs, so that all of them pass together in `power` of runs.

    They fail to pass at most as often as the sum of each (Boole's inequality).
    """
    return 1.0 - (1.0 - power) / max(1, checks)
