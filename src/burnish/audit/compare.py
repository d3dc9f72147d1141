"""One number of both models and its change; many of them without the luck of many tries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import stdtr

from burnish.core.errors import SuiteError
from burnish.core.findings import Comparison
from burnish.measure.interval import mean_interval
from burnish.measure.pictures import Flags, Values


def compare(name: str, original: Values, optimized: Values, unit: str = "") -> Comparison:
    """Means of (n,) values of the same units (prompts) of both models, and of their differences.

    Intervals are `mean_interval`'s, 90 % two-sided; the p-value is of Student's paired t-test. Raises
    SuiteError where lengths differ or n is below 2.
    """
    if original.shape != optimized.shape or original.ndim != 1:
        raise SuiteError(f"{name}: {original.shape} values cannot be paired with {optimized.shape}")
    change = optimized - original
    return Comparison(
        name=name,
        unit=unit,
        original=mean_interval(original),
        optimized=mean_interval(optimized),
        change=mean_interval(change),
        p_value=t_test(change),
    )


def t_test(values: Values) -> float:
    """Two-sided p-value that the mean of (n,) independent values is 0, by Student's t.

    Values that are all equal give 1 where they are 0, else 0. Raises SuiteError below n = 2.
    """
    n = len(values)
    if n < 2:
        raise SuiteError(f"{n} prompts have no spread", "Use two prompts at the very least")
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)
    if error == 0.0:
        return float(mean == 0.0)
    return float(2 * stdtr(n - 1, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: calling all at most 0.05 significant errs once in twenty families at most.

    Holm, Scandinavian Journal of Statistics 6, 1979. In the order given.
    """
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[k]))
        adjusted[k] = least
    return adjusted


def adjusted(found: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with their p-values adjusted by Holm, those without left alone."""
    comparisons = list(found)
    asked = [k for k, c in enumerate(comparisons) if c.p_value is not None]
    for k, p in zip(asked, holm([comparisons[k].p_value or 0.0 for k in asked]), strict=True):
        comparisons[k] = comparisons[k].model_copy(update={"p_value": p})
    return tuple(comparisons)


def discoveries(p_values: Values, rate: float) -> Flags:
    """(n,) which of the p-values to call, so that the expected share of false calls is at most `rate`.

    Benjamini and Hochberg, Journal of the Royal Statistical Society B 57, 1995. It holds for conformal
    p-values that share their calibration too (Bates et al., Annals of Statistics 51, 2023, theorem 2).
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passed = np.flatnonzero(p_values[order] <= rate * np.arange(1, n + 1) / n)
    called = np.zeros(n, dtype=np.bool_)
    if len(passed):
        called[order[: passed[-1] + 1]] = True
    return called


def conformal(scores: Values, calibration: Values) -> Values:
    """(n,) p-values that each score is one of those (m,) of the calibration; large scores are unusual.

    p = (1 + #{calibration >= score}) / (m + 1), which is uniform or larger where score and calibration are
    exchangeable, whatever their distribution (Bates et al., Annals of Statistics 51, 2023, equation 3). The
    smallest is 1 / (m + 1). Raises SuiteError without calibration.
    """
    m = len(calibration)
    if m == 0:
        raise SuiteError("there is nothing to calibrate with", "Give pictures that were not trained on")
    above = m - np.searchsorted(np.sort(calibration), scores, side="left")
    return np.asarray((1.0 + above) / (m + 1.0), dtype=np.float64)
