"""Named: whether the judge finds the right caption of a picture first among all that the suite has."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Flags, Indices

CHUNK = 1024  # pictures whose cosines with all captions are in memory at once
ROUNDING = 1e-6  # of a cosine of float32 features; nearer than this is a tie


def named(image_features: Features, text_features: Features, which: Indices) -> Flags:
    """Whether caption which[k] is nearer to picture k than every other, shape (n,); more are better.

    `image_features` (n, d) and `text_features` (m, d), of the suite's distinct captions, have rows of norm 1;
    `which` (n,) counts rows of the latter. Top-1 retrieval: "CLIP-R-Precision" of Park et al., "Benchmark for
    compositional text-to-image synthesis", NeurIPS Datasets and Benchmarks 2021, at R = 1. A tie counts as
    wrong, so a judge that cannot tell captions apart names nothing. Chance is 1/m, and captions that resemble
    each other lower the share: compare on one suite by one judge only. A share of yes and no needs 60 prompts
    or so. Raises SuiteError where shapes do not fit, there are fewer than two captions, or `which` counts one
    that is not there.
    """
    n, m = len(image_features), len(text_features)
    if image_features.ndim != 2 or image_features.shape[1:] != text_features.shape[1:] or which.shape != (n,):
        raise SuiteError(
            f"features {image_features.shape} cannot be named by {text_features.shape} and {which.shape}"
        )
    if m < 2:
        raise SuiteError(f"{m} captions leave nothing to choose", "Use two different prompts or more")
    if n and not 0 <= which.min() <= which.max() < m:
        raise SuiteError(f"captions {which.min()} to {which.max()} are named, of {m}")
    found = np.zeros(n, dtype=np.bool_)
    captions = text_features.astype(np.float64)
    for start in range(0, n, CHUNK):
        rows = slice(start, start + CHUNK)
        cosines = image_features[rows].astype(np.float64) @ captions.T
        each, right = np.arange(len(cosines)), which[rows]
        own = cosines[each, right].copy()
        cosines[each, right] = -np.inf
        found[rows] = own > cosines.max(axis=1) + ROUNDING
    return found
