"""Request: what pictures are asked for, checked against what the bundle can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.bundle import Bundle
from burnish.core.errors import RequestError
from burnish.core.noise import check_seed

Pixels = NDArray[np.uint8]
MAX_PIXELS = 4096 * 4096


@dataclass(frozen=True, kw_only=True)
class Request:
    """One picture a seed. Sequences have one entry a picture, or one entry for all.

    `image` (height, width, 3; uint8) with `strength` in (0, 1] starts from a picture instead of noise;
    `mask` (height, width; 0..1 or bool) repaints only where it is 1.
    """

    seeds: tuple[int, ...]
    prompts: tuple[str, ...] = ()
    negative_prompt: str = ""
    class_labels: tuple[int, ...] = ()
    height: int | None = None
    width: int | None = None
    image: Pixels | None = None
    mask: NDArray[Any] | None = None
    strength: float = 0.8

    @property
    def count(self) -> int:
        """Number of pictures."""
        return len(self.seeds)

    def size(self, bundle: Bundle) -> tuple[int, int]:
        """(height, width) in pixels: as asked, as the given image is, or the model's own."""
        own = bundle.model.image_shape[1:]
        if self.image is not None and self.image.ndim == 3:
            own = self.image.shape[:2]
        height, width = self.height, self.width
        return own[0] if height is None else height, own[1] if width is None else width

    def check(self, bundle: Bundle) -> None:
        """Raises RequestError naming the field that does not fit and what would."""
        if not self.seeds:
            raise RequestError("no seed was given", "Give one seed a picture")
        for seed in self.seeds:
            check_seed(seed)
        self._check_condition(bundle)
        self._check_size(bundle)
        self._check_image(bundle)

    def _check_condition(self, bundle: Bundle) -> None:
        card = bundle.model
        asked: dict[str, tuple[Any, ...]] = {"prompts": self.prompts, "class_labels": self.class_labels}
        wanted = "prompts" if card.reads_text else "class_labels" if card.classes else None
        for field, values in asked.items():
            if field == wanted and len(values) not in (1, self.count):
                raise RequestError(
                    f"{field} has {len(values)} entries for {self.count} pictures", f"Give 1 or {self.count}"
                )
            if field != wanted and values:
                raise RequestError(f"{card.name} takes no {field}", f"Leave {field} out")
        if self.negative_prompt and wanted != "prompts":
            raise RequestError(f"{card.name} takes no negative_prompt", "Leave negative_prompt out")
        for label in self.class_labels:
            if not 0 <= label < card.classes:
                raise RequestError(f"class label {label} is out of range", f"Use 0 to {card.classes - 1}")

    def _check_size(self, bundle: Bundle) -> None:
        height, width = self.size(bundle)
        step = bundle.model.size_multiple
        for name, value in (("height", height), ("width", width)):
            if value <= 0 or value % step:
                near = max(step, round(value / step) * step)
                raise RequestError(f"{name} {value} is not divisible by {step}", f"Use {near}")
        if height * width > MAX_PIXELS:
            raise RequestError(f"{width}x{height} is more than {MAX_PIXELS} pixels", "Ask for a smaller one")
        if (height, width) != bundle.model.image_shape[1:] and not bundle.model.any_size:
            own = bundle.model.image_shape
            raise RequestError(
                f"{bundle.model.name} makes {own[2]}x{own[1]} pixels only", "Leave the size out"
            )

    def _check_image(self, bundle: Bundle) -> None:
        if self.image is None:
            if self.mask is not None:
                raise RequestError("a mask needs an image", "Give the image that it repaints")
            return
        if not 0.0 < self.strength <= 1.0:
            raise RequestError(f"strength {self.strength} is out of range", "Use a number in (0, 1]")
        if not bundle.starts:
            raise RequestError("this bundle has no image-to-image tables", "Build it with fewer calls")
        height, width = self.size(bundle)
        if self.image.dtype != np.uint8 or self.image.shape != (height, width, 3):
            raise RequestError(
                f"image has shape {self.image.shape} {self.image.dtype}",
                f"Give ({height}, {width}, 3) of uint8",
            )
        if self.mask is not None and self.mask.shape != (height, width):
            raise RequestError(f"mask has shape {self.mask.shape}", f"Give ({height}, {width})")
        if self.mask is not None and not np.all((self.mask >= 0) & (self.mask <= 1)):
            raise RequestError("mask has values outside 0 to 1", "Divide it by its greatest value")
