"""Precision, recall, density, coverage: whose neighbourhoods hold whose pictures. Advisory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values

NEAREST = 5
FEWEST = 100  # pictures
CHUNK = 256  # rows of distances in memory at once


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Shares in [0, 1], `density` from 0 and 1 on average where the two are alike; higher is better.

    `precision`: pictures inside some reference's neighbourhood; `recall`: references inside some picture's.
    `density`: how many references' neighbourhoods hold a picture, over k; `coverage`: references whose
    neighbourhood holds a picture.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def _radii(x: Values, k: int) -> Values:
    """The distance of each row to its k-th nearest other row."""
    parts = [
        np.partition(cdist(x[start : start + CHUNK], x), k, axis=1)[:, k] for start in range(0, len(x), CHUNK)
    ]
    return np.concatenate(parts)


def neighbours(features: Features, references: Features, k: int = NEAREST) -> Neighbours:
    """Of features (n, d) and references (n, d); the two must be as many, since all four depend on n.

    Precision and recall: Kynkäänniemi et al., NeurIPS 2019; density and coverage: Naeem et al., ICML 2020,
    for which two samples of one distribution have coverage 1 - prod_{i<k} (n - 1 - i) / (2n - 1 - i) and
    density 1 on average. Precision and recall are below 1 even then: read them beside those of the reference
    against itself. Raises SuiteError where sizes differ or below 100 pictures.
    """
    if features.shape != references.shape:
        raise SuiteError(
            f"{len(features)} and {len(references)} pictures cannot be compared by their neighbours",
            "Use as many of both",
        )
    if len(features) < FEWEST:
        raise SuiteError(f"{len(features)} pictures are too few for neighbourhoods", f"Use {FEWEST} or more")
    x, y = features.astype(np.float64), references.astype(np.float64)
    own, theirs = _radii(x, k), _radii(y, k)
    inside_theirs = np.zeros(len(x), dtype=np.int64)  # references' neighbourhoods that hold picture i
    recalled, covered = np.zeros(len(y), dtype=np.bool_), np.zeros(len(y), dtype=np.bool_)
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        distances = cdist(x[rows], y)
        inside_theirs[rows] = (distances < theirs).sum(axis=1)
        recalled |= (distances < own[rows, None]).any(axis=0)
        covered |= (distances < theirs).any(axis=0)
    return Neighbours(
        precision=float((inside_theirs > 0).mean()),
        recall=float(recalled.mean()),
        density=float(inside_theirs.mean() / k),
        coverage=float(covered.mean()),
    )
