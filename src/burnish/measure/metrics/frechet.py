"""Fréchet distance between two sets of features. Advisory: the gate shows it and never judges by it."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values


def frechet_of_gaussians(mean: Values, covariance: Values, other_mean: Values, other: Values) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), squared feature units, >= 0.

    Dowson and Landau, J. Multivariate Analysis 12, 1982. The trace of the root is taken from the eigenvalues
    of C1^(1/2) C2 C1^(1/2), which is symmetric, so no complex numbers appear and no iteration fails.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ other @ root)
    cross = np.sqrt(np.maximum(product, 0.0)).sum()
    shift = np.square(mean - other_mean).sum()
    return max(0.0, float(shift + np.trace(covariance) + np.trace(other) - 2.0 * cross))


def frechet(features: Features, references: Features) -> float:
    """Fréchet distance of two sets (n, d) and (m, d) as Gaussians, squared feature units; lower is closer.

    "FID" of Heusel et al., NeurIPS 2017, in the judge's features. Biased upwards by about 1/n: two samples of
    the same distribution are far apart at small n, so compare only at equal n, and never as proof. Needs n of
    at least d, better ten times that. Raises SuiteError below d, where the covariance has no full rank.
    """
    smallest, dimension = min(len(features), len(references)), features.shape[1]
    if smallest < dimension:
        raise SuiteError(
            f"{smallest} pictures are too few for a Fréchet distance of {dimension} features",
            f"Use at least {dimension} pictures",
        )
    a, b = features.astype(np.float64), references.astype(np.float64)
    return frechet_of_gaussians(
        a.mean(axis=0), np.cov(a, rowvar=False), b.mean(axis=0), np.cov(b, rowvar=False)
    )
