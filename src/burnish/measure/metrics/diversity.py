"""Diversity within a prompt: how much a new seed changes."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Features, Values


def diversity(features: Features) -> Values:
    """Mean feature distance between the seeds of each prompt, shape (prompts,), no unit, in [0, 2].

    `features` is (prompts, seeds, d) with rows of norm 1. 1 - cosine, averaged over pairs of seeds, as LPIPS
    diversity is averaged in Zhu et al., BicycleGAN, NeurIPS 2017. Higher is more diverse; a model that lost
    its diversity is below its reference. A mean needs 30 prompts or so. Raises SuiteError below two seeds.
    """
    seeds = features.shape[1]
    if seeds < 2:
        raise SuiteError("one seed a prompt shows no diversity", "Use two seeds or more")
    x = features.astype(np.float64)
    # |sum of rows|^2 = seeds + sum over ordered pairs of their cosines
    cosines = (np.square(x.sum(axis=1)).sum(axis=-1) - np.square(x).sum(axis=(1, 2))) / (seeds * (seeds - 1))
    return np.clip(1.0 - cosines, 0.0, 2.0)
