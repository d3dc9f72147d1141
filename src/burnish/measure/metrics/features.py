"""Feature distance: whether a judge that knows pictures sees the same picture."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values


def feature_distance(features: Features, references: Features) -> Values:
    """1 - cosine of the judge's features of each pair, shape (n,), no unit, in [0, 2]; lower is closer.

    Both are (n, d) with rows of norm 1, as `Judge.image_features` gives them. Cosine of deep features as a
    perceptual distance: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual
    metric", CVPR 2018; of CLIP's image features: "CLIP-I" in Ruiz et al., DreamBooth, CVPR 2023.
    Its scale is the judge's own: never compare values of two judges. A mean needs 30 prompts or so.
    Raises SuiteError where shapes differ.
    """
    if features.shape != references.shape:
        raise SuiteError(f"features {features.shape} cannot be paired with {references.shape}")
    cosine = np.einsum("nd,nd->n", features, references, dtype=np.float64)
    return np.clip(1.0 - cosine, 0.0, 2.0)
