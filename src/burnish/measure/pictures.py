"""Pictures as every metric takes them, and the check that two stacks of them are pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import SuiteError

Pictures = NDArray[np.uint8]  # (n, height, width, 3)
Values = NDArray[np.float64]
Features = NDArray[np.float32]  # (n, dimension), rows of norm 1
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


def check_pictures(images: Pictures) -> Pictures:
    """The pictures; raises SuiteError unless they are uint8 (n, height, width, 3)."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise SuiteError(
            f"pictures are {images.dtype} {images.shape}", "Give uint8 arrays (n, height, width, 3)"
        )
    return images


def check_pairs(images: Pictures, references: Pictures) -> None:
    """Raises SuiteError unless picture k of one stack can be compared with picture k of the other."""
    if check_pictures(images).shape != check_pictures(references).shape:
        raise SuiteError(
            f"{images.shape} pictures cannot be paired with {references.shape}",
            "Make both with the same prompts, seeds and size",
        )
