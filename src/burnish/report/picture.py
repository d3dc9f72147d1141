"""Pictures as PNG bytes, and as the data: addresses that let a page carry them."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]  # (height, width, 3)


def png(picture: Picture) -> bytes:
    """One uint8 picture (height, width, 3) as PNG; raises ValueError for another shape or type."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
        raise ValueError(f"a picture is uint8 (height, width, 3), not {picture.dtype} {picture.shape}")
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(picture: Picture) -> str:
    """The picture as a `data:image/png;base64,...` address."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")
