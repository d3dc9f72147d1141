"""Vendi score: how many different pictures a set holds. Advisory."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features


def vendi(features: Features) -> float:
    """The effective number of different pictures among features (n, d) with rows of norm 1, from 1 to n.

    exp of the entropy of the eigenvalues of the cosine similarities over n (Friedman and Dieng, TMLR 2023),
    found from the d x d matrix, which has the same ones. Higher is more diverse. Grows with n: compare
    at equal n only. Raises SuiteError where there is none.
    """
    if len(features) == 0:
        raise SuiteError("no pictures have no diversity")
    x = features.astype(np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    gram = x.T @ x if x.shape[1] < len(x) else x @ x.T
    values = np.linalg.eigvalsh(gram / len(x))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))
