"""How sure the difference of two paired proportions is, and how many prompts would make it sure.

Two models draw the same prompts, and each picture either has a property or not. Only prompts on which the two
disagree say anything about the difference, so a rate of each model alone would claim less than was seen.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import ndtri

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval
from burnish.measure.interval import LEVEL, MOST_PROMPTS, POWER
from burnish.measure.pictures import Flags

NEAR = 1e-12  # from the estimate: at the estimate itself the score can be 0 / 0


def proportions_interval(ours: Flags, theirs: Flags, level: float = LEVEL) -> Interval:
    """Interval of share(ours) - share(theirs), of flags (n,) of the same prompts, in [-1, 1].

    Tango's score interval (Statistics in Medicine 17, 1998), `level` at each end. Unlike Wald's it stays
    inside [-1, 1] and has width where the two never disagree: with no disagreement in n its ends are
    -+ z^2 / (n + z^2). At a bound of 2, 5 or 10 % a PASS is false at most 5.8 % of the time, exactly, with
    30 to 200 prompts: counts are whole numbers. Raises SuiteError where the two cannot be paired or there is
    no prompt.
    """
    gained, lost, n = _disagreements(ours, theirs)
    z = float(ndtri(level))
    return Interval(
        mean=(gained - lost) / n,
        low=_low(gained, lost, n, z),
        high=-_low(lost, gained, n, z),
        n=n,
        confidence=2 * level - 1,
    )


def prompts_to_decide_proportion(
    ours: Flags, theirs: Flags, bound: float, level: float = LEVEL, power: float = POWER
) -> int:
    """About how many prompts would decide if both models go on disagreeing as seen, above n, at most 10^6.

    ((z_level s_0 + z_power s_1) / (difference - bound))^2 with s_1 the spread as seen and s_0 the spread if
    the difference were `bound` (Nam, Biometrics 53, 1997); `bound` is between -1 and 1. Raises SuiteError as
    `proportions_interval` does.
    """
    gained, lost, n = _disagreements(ours, theirs)
    difference = (gained - lost) / n
    seen = (gained + lost) / n - difference**2
    at_bound = _variance(gained, lost, n, bound)
    reach = float(ndtri(level)) * math.sqrt(at_bound) + float(ndtri(power)) * math.sqrt(seen)
    gap = abs(difference - bound)
    if gap * math.sqrt(MOST_PROMPTS) <= reach:
        return MOST_PROMPTS
    return max(n + 1, math.ceil((reach / gap) ** 2))


def _disagreements(ours: Flags, theirs: Flags) -> tuple[int, int, int]:
    """Prompts with ours only, with theirs only, and in all."""
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise SuiteError(
            f"flags {ours.shape} cannot be paired with {theirs.shape}", "Give one of each a prompt"
        )
    if len(ours) == 0:
        raise SuiteError("no prompt has no proportion", "Use two prompts at the very least")
    return int((ours & ~theirs).sum()), int((theirs & ~ours).sum()), len(ours)


def _variance(gained: int, lost: int, n: int, difference: float) -> float:
    """Of one prompt's difference in {-1, 0, 1}, the likeliest if the mean is `difference` (Tango 1998)."""
    a = 2.0 * n
    b = -gained - lost + (2.0 * n - gained + lost) * difference
    c = -lost * difference * (1.0 - difference)
    share_lost = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    return max(2.0 * share_lost + difference * (1.0 - difference), 0.0)


def _low(gained: int, lost: int, n: int, z: float) -> float:
    """The smallest difference that the score test does not reject."""
    if lost == n:
        return -1.0

    def beyond(difference: float) -> float:
        return gained - lost - n * difference - z * math.sqrt(n * _variance(gained, lost, n, difference))

    return float(brentq(beyond, -1.0, (gained - lost) / n - NEAR))
