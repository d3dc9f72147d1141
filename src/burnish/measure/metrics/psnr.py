"""Peak signal-to-noise ratio: how far pixels moved."""

from __future__ import annotations

import numpy as np

from burnish.measure.pictures import Pictures, Values, check_pairs

CAP_DB = 60.0  # identical pictures: beyond 8-bit rounding, at 59 dB, nothing more is the same
PEAK = 255.0


def psnr(images: Pictures, references: Pictures) -> Values:
    """PSNR of each pair: 10 log10(255^2 / mean squared error), shape (n,), dB in [0, 60].

    Higher is closer; identical pictures have 60, so that a few do not carry a mean over the others. 8-bit
    rounding alone is 59 dB; good JPEG 35 to 40.
    It sees a shift of one pixel as a disaster and a missing detail hardly at all: read it beside SSIM.
    Each pair stands alone; a mean needs 30 prompts or so. Raises SuiteError where stacks do not pair.
    """
    check_pairs(images, references)
    errors = [
        np.square(a.astype(np.float32) - b).mean(dtype=np.float64)
        for a, b in zip(images, references, strict=True)
    ]
    floor = PEAK**2 / 10 ** (CAP_DB / 10)
    return np.asarray(10.0 * np.log10(PEAK**2 / np.maximum(errors, floor)), dtype=np.float64)
