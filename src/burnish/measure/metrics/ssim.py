"""Structural similarity: whether the same shapes stand in the same places."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Pictures, Values, check_pairs

SIGMA = 1.5  # of the Gaussian window, as in the paper
WINDOW = 11  # pixels, which that Gaussian spans; smaller pictures have no SSIM


def ssim(images: Pictures, references: Pictures) -> Values:
    """SSIM of each pair, mean over the three channels, shape (n,), no unit, in [-1, 1]; higher is closer.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE TIP 13(4), 2004: Gaussian window of sigma 1.5, population covariance, K = 0.01, 0.03;
    scikit-image's implementation. Each pair stands alone; a mean needs 30 prompts or so.
    Raises SuiteError where stacks do not pair or pictures are smaller than 11 pixels.
    """
    from skimage.metrics import structural_similarity  # half a second, which no other metric should pay

    check_pairs(images, references)
    if min(images.shape[1:3]) < WINDOW:
        raise SuiteError(f"SSIM needs pictures of {WINDOW} pixels or more, not {images.shape[1:3]}")
    return np.array(
        [
            structural_similarity(
                a,
                b,
                channel_axis=-1,
                gaussian_weights=True,
                sigma=SIGMA,
                use_sample_covariance=False,
                data_range=255,
            )
            for a, b in zip(images, references, strict=True)
        ],
        dtype=np.float64,
    )
