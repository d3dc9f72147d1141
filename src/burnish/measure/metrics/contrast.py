"""Contrast drift: whether pictures became flatter or harsher."""

from __future__ import annotations

import numpy as np

from burnish.measure.metrics.luma import lumas
from burnish.measure.pictures import Pictures, Values, check_pairs

FLOOR = 0.5  # levels of 255; what rounding to whole levels leaves of a picture of one colour


def contrast_drift(images: Pictures, references: Pictures) -> Values:
    """Log of RMS contrast over the reference's, of each pair, shape (n,), no unit; 0 is no drift.

    RMS contrast is the standard deviation of luma (Peli, "Contrast in complex images", JOSA A 7(10), 1990);
    it is not divided by the mean, so a picture that is only darker has no drift. log 0.5 = -0.69 is half the
    contrast, 0.69 twice: neither side is better. Less than half a level counts as half a level, so that blank
    pictures have a finite drift, and two blank ones none. Each pair stands alone; a mean needs 30 prompts or
    so. Raises SuiteError where stacks do not pair.
    """
    check_pairs(images, references)
    ours, theirs = (np.array([luma.std() for luma in lumas(x)]) for x in (images, references))
    return np.log(np.maximum(ours, FLOOR) / np.maximum(theirs, FLOOR))
