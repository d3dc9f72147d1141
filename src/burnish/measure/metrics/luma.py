"""Luma: the brightness of a picture's pixels as television counts it, which some metrics look at alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from burnish.measure.pictures import Pictures, Values

WEIGHTS = np.array([0.299, 0.587, 0.114])  # of sRGB's red, green and blue: ITU-R BT.601


def lumas(images: Pictures) -> Iterator[Values]:
    """(height, width) levels in [0, 255] of each picture (height, width, 3), one at a time to save memory."""
    for image in images:
        yield image.astype(np.float64) @ WEIGHTS
