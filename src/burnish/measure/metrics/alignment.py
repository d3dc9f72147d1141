"""Alignment: whether the picture shows what the prompt asked for, in the judge's eyes."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values


def alignment(image_features: Features, text_features: Features) -> Values:
    """100 x cosine of picture k with prompt k, shape (n,), points in [-100, 100]; higher is better.

    Both are (n, d) with rows of norm 1. CLIPScore of Hessel et al., EMNLP 2021, without its factor 2.5
    and its cut at zero, which would hide how much worse a bad picture got. Its zero and scale are the
    judge's own: only differences between pictures of the same prompts by the same judge mean anything.
    The spread between prompts is far wider than that between seeds, so pair by prompt; see `gate` for how
    many prompts. Raises SuiteError where shapes differ.
    """
    if image_features.shape != text_features.shape:
        raise SuiteError(f"features {image_features.shape} cannot be paired with {text_features.shape}")
    return 100.0 * np.einsum("nd,nd->n", image_features, text_features, dtype=np.float64)
