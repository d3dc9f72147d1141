"""One row of a table by least squares, held to a row that is known to be sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# How many times as much a row may weigh what it adds up as the sound row does: a row's numbers multiply what
# the denoiser rounds off. UniPC's sum to 1.1 times those of DDIM at 4 to 10 calls on the icons model's noise
# schedule, so what a fit needs lies far below.
MOST_GROWTH = 10.0
TENFOLDS = 30


def fit_row(basis: Array, target: Array, prior: Array, ridge: float) -> Array:
    """Coefficients c (k,) with the least |c basis - target|^2 + ridge * s * |c - prior|^2, in closed form.

    `basis` is (k, m), `target` (m,); s is the mean square length of a basis vector: `ridge` > 0 has no unit.
    Where sum |c| would be more than MOST_GROWTH times that of the prior, the ridge grows tenfold until
    it is not; at the worst the row is the prior.
    """
    gram = basis @ basis.T
    moment = basis @ (target - prior @ basis)
    scale = np.trace(gram) / len(gram)
    for k in range(TENFOLDS):
        c: Array = prior + np.linalg.solve(gram + ridge * 10.0**k * scale * np.eye(len(gram)), moment)
        if np.isfinite(c).all() and np.abs(c).sum() <= MOST_GROWTH * np.abs(prior).sum():
            return c
    return prior
