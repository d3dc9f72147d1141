"""Pictures as PNG files that say how they were made."""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, PngImagePlugin

from burnish.runtime.request import Pixels


def png(picture: Pixels, texts: Mapping[str, str] | None = None, compress_level: int = 6) -> bytes:
    """A PNG file of one picture (height, width, 3; uint8), `texts` inside; levels as zlib has them."""
    info = PngImagePlugin.PngInfo()
    for key, value in (texts or {}).items():
        info.add_itxt(key, value.encode("utf-8", "replace").decode())  # half a character is no text
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="PNG", pnginfo=info, compress_level=compress_level)
    return data.getvalue()
