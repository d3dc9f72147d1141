"""Kernel distances between the pictures of two models that drew the same prompts with the same seeds.

Prompts are the independent units and pictures come in pairs, so the U-statistic leaves out every pair of
pictures of one prompt, and its null is drawn by swapping the two models' pictures prompt by prompt.
Advisory: the gate shows these and never judges by them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values

Kernel = Callable[[Values, Values], Values]
SWAPS = 2000
CHUNK = 64  # prompts whose rows of the kernel are in memory at once
MOST_PROMPTS = 2000  # 32 MB of terms; the p-value of more would hardly differ
FEWEST_PROMPTS = 50  # below, chance alone moves these distances as much as a bad model does


def paired_kernel(features: Features, references: Features, kernel: Kernel) -> Values:
    """(prompts, prompts) terms of the U-statistic, zero on the diagonal, of features (prompts, seeds, d).

    h(p, q) = k(x_p, x_q) + k(y_p, y_q) - k(x_p, y_q) - k(y_p, x_q), averaged over seeds: Gretton et al., "A
    kernel two-sample test", JMLR 13, 2012, equation 4. Of more than 2000 prompts it takes the first 2000, so
    that memory does not grow with the suite. Raises SuiteError where shapes differ or there are fewer than
    fifty prompts.
    """
    if features.shape != references.shape or features.ndim != 3:
        raise SuiteError(f"features {features.shape} cannot be paired with {references.shape}")
    features, references = features[:MOST_PROMPTS], references[:MOST_PROMPTS]
    prompts, seeds, dimension = features.shape
    if prompts < FEWEST_PROMPTS:
        raise SuiteError(
            f"{prompts} prompts are too few for a kernel distance", f"Use {FEWEST_PROMPTS} or more"
        )
    x, y = (each.reshape(-1, dimension).astype(np.float64) for each in (features, references))
    found = np.zeros((prompts, prompts))
    for start in range(0, prompts, CHUNK):
        rows = slice(start * seeds, (start + CHUNK) * seeds)
        terms = kernel(x[rows], x) + kernel(y[rows], y) - kernel(x[rows], y) - kernel(y[rows], x)
        found[start : start + CHUNK] = terms.reshape(-1, seeds, prompts, seeds).mean(axis=(1, 3))
    np.fill_diagonal(found, 0.0)
    return found


def squared_mmd(terms: Values) -> float:
    """The squared maximum mean discrepancy of `paired_kernel`'s terms: 0 on average where models are alike.

    Unbiased, so it may be negative.
    """
    n = len(terms)
    return float(terms.sum() / (n * (n - 1)))


def swap_p_value(terms: Values, swaps: int = SWAPS) -> float:
    """How often models that are alike would be as far apart, in (0, 1]: random swaps within prompts.

    Swapping prompt p changes the sign of its terms, so a swap is a quadratic form. The generator's seed is
    fixed. The p-value counts what was seen as one more swap (Phipson and Smyth, 2010), so it is never 0.
    """
    n = len(terms)
    signs = np.random.Generator(np.random.Philox(n)).choice(np.array([-1.0, 1.0]), size=(swaps, n))
    drawn = np.einsum("sp,sp->s", signs @ terms, signs)
    tolerance = 1e-12 * np.abs(terms).sum()
    return float((1 + (drawn >= terms.sum() - tolerance).sum()) / (1 + swaps))
