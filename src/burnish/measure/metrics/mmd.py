"""RBF-MMD: the squared MMD of a Gaussian kernel. Advisory: the gate shows it and never judges by it."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.spatial.distance import cdist, pdist

from burnish.measure.metrics.kernels import paired_kernel, squared_mmd, swap_p_value
from burnish.measure.pictures import Features, Values

MOST_ROWS = 1000  # of references; the median of half a million distances moves no more


def _gaussian(x: Values, y: Values, width: float) -> Values:
    return np.asarray(np.exp(-cdist(x, y, "sqeuclidean") / (2.0 * width * width)))


def median_width(references: Features) -> float:
    """The median distance between the reference's pictures of different prompts, which sets the kernel.

    Of (prompts, seeds, d) it takes the first seed of the first 1000 prompts.
    """
    return max(float(np.median(pdist(references[:MOST_ROWS, 0]))), 1e-6)


def mmd(features: Features, references: Features) -> tuple[float, float]:
    """(RBF-MMD squared, its p-value) of features (prompts, seeds, d), no unit; lower is closer.

    CMMD of Jayasumana et al., "Rethinking FID", CVPR 2024, with two differences: the U-statistic over
    prompts, which averages 0 where models are alike (their estimator is biased upwards at small n), and the
    median distance as the kernel's width (Gretton et al., 2012), since judges differ in scale. Raises
    SuiteError as `paired_kernel` does, below 50 prompts among others, and takes as many as that does.
    """
    width = median_width(references)
    terms = paired_kernel(features, references, partial(_gaussian, width=width))
    return squared_mmd(terms), swap_p_value(terms)
