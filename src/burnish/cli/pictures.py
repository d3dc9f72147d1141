"""Pictures in and out of files. What comes in is hostile until decoded within bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from burnish.core.errors import RequestError
from burnish.core.files import write_bytes
from burnish.runtime.png import png

MAX_BYTES = 64 << 20
MAX_PIXELS = 4096 * 4096
FORMATS = ("PNG", "JPEG", "WEBP")


def _open(path: Path, mode: str) -> Image.Image:
    if not path.is_file():
        raise RequestError(f"{path} does not exist", "Check the path")
    if path.stat().st_size > MAX_BYTES:
        raise RequestError(f"{path} is larger than {MAX_BYTES >> 20} MiB", "Give a smaller picture")
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RequestError(f"{path} has more than {MAX_PIXELS} pixels", "Give a smaller picture")
            return image.convert(mode)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise RequestError(f"{path} is no picture: {error}", f"Give a {', '.join(FORMATS)} file") from None


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(height, width, 3) uint8; raises RequestError."""
    return np.asarray(_open(path, "RGB"))


def read_mask(path: Path) -> NDArray[np.float32]:
    """(height, width) in 0..1, white is 1; raises RequestError."""
    return np.asarray(_open(path, "L"), dtype=np.float32) / np.float32(255)


def write_png(path: Path, picture: NDArray[np.uint8], texts: dict[str, str]) -> None:
    """Writes a PNG with its settings inside, whole or not at all; raises OSError."""
    write_bytes(path, png(picture, texts))
