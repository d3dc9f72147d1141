"""KID: the squared MMD of a cubic kernel. Advisory: the gate shows it and never judges by it."""

from __future__ import annotations

import numpy as np

from burnish.measure.metrics.kernels import paired_kernel, squared_mmd, swap_p_value
from burnish.measure.pictures import Features, Values


def _cubic(x: Values, y: Values) -> Values:
    return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)


def kid(features: Features, references: Features) -> tuple[float, float]:
    """(KID, its p-value) of features (prompts, seeds, d), no unit; lower is closer, 0 on average where alike.

    Binkowski et al., "Demystifying MMD GANs", ICLR 2018, as a U-statistic over prompts. Rows have norm 1
    here, so values are far below those of Inception's features: compare within one judge only. Raises
    SuiteError as `paired_kernel` does, below 50 prompts among others.
    """
    terms = paired_kernel(features, references, _cubic)
    return squared_mmd(terms), swap_p_value(terms)
