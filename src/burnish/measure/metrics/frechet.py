"""Fréchet distance between two sets of features. Advisory: the gate shows it and never judges by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values

SIZES = 10  # of samples that the extrapolation looks at
PARTS = 5  # of each size at most, which share no picture
SMALLEST, LARGEST = 2, 10  # samples, in pictures a feature; see `frechet_extrapolated`


@dataclass(frozen=True, kw_only=True)
class Extrapolated:
    """A Fréchet distance at infinitely many pictures, and how well a line through finite ones fits.

    `error` is the standard error of the fit alone: other pictures of the same models may give a distance that
    is further away than that. `r_squared` is in [0, 1]; below 0.9 or so chance is larger than the bias.
    """

    distance: float
    error: float
    r_squared: float


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
    covariances = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    return frechet_of_gaussians(a.mean(axis=0), next(covariances), b.mean(axis=0), next(covariances))


def frechet_extrapolated(features: Features, references: Features) -> Extrapolated:
    """The Fréchet distance of (n, d) and (m, d) at infinitely many pictures; lower is closer, may be below 0.

    Chong and Forsyth, "Effectively unbiased FID", CVPR 2020: the bias falls as 1/n, so a line through the
    distances of samples of several sizes over 1/n meets 0 at the distance without it. Ten sizes, as many of
    both sets, evenly from 2 d to min(n, m), each the mean over up to five samples that share no picture, in
    an order with a fixed seed.

    Raises SuiteError below 10 d pictures of either set. From 2 d on, bias times n is the same within 2 % (on
    Gaussians of 16 and 64 features; 6 % more at d), and a line is not to reach far beyond what it was fitted
    to, so the largest sample is at least five times the smallest. At 10 d, two samples of one Gaussian of 16
    or 64 features are 0.0 +- 0.2 apart, where the plain distance says 1.0 or 3.5; at 2 d, 0 +- 1.
    """
    n, dimension = min(len(features), len(references)), features.shape[1]
    if n < LARGEST * dimension:
        raise SuiteError(
            f"{n} pictures are too few to extrapolate a Fréchet distance of {dimension} features",
            f"Use at least {LARGEST * dimension} pictures, or an encoder with fewer features",
        )
    rng = np.random.Generator(np.random.Philox(n))
    x, y = (each[rng.permutation(len(each))[:n]] for each in (features, references))
    sizes = np.linspace(SMALLEST * dimension, n, SIZES).astype(np.int64)
    distances = [
        np.mean([frechet(x[k * s : (k + 1) * s], y[k * s : (k + 1) * s]) for k in range(min(PARTS, n // s))])
        for s in sizes
    ]
    return _line(1.0 / sizes, np.array(distances, dtype=np.float64))


def _line(inverse: Values, distances: Values) -> Extrapolated:
    """The least-squares line of distances over 1/n, where 1/n is 0."""
    centred = inverse - inverse.mean()
    slope = (centred * distances).sum() / np.square(centred).sum()
    intercept = distances.mean() - slope * inverse.mean()
    residual = np.square(distances - intercept - slope * inverse).sum()
    variance = residual / (len(inverse) - 2)
    leverage = 1 / len(inverse) + inverse.mean() ** 2 / np.square(centred).sum()
    spread = np.square(distances - distances.mean()).sum()
    return Extrapolated(
        distance=float(intercept),
        error=float(np.sqrt(variance * leverage)),
        r_squared=float(1 - residual / spread) if spread > 0 else 1.0,
    )
