"""How pixels reach an encoder, as its preprocessor_config.json says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from burnish.core.errors import ModelError
from burnish.measure.pictures import Pictures

PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # where transformers 5 nests the same when a whole processor is saved
REMEDY = "Give a directory that save_pretrained of the model and of its processor wrote"
MOST_SIDE = 2048  # pixels; the largest encoders take some 1000
USUAL_CROP = 224  # transformers' own where crop_size is left out
FILTERS = (Image.Resampling.LANCZOS, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Preprocessing:
    """Pictures are resized to `edge`, cropped in the middle to `side` x `side`, and become (x - mean) / std.

    `edge` is what the shorter edge becomes, or with `square` both, whatever the proportions were. x is in
    [0, 1]. `side` is at most `edge`, so nothing is ever padded.
    """

    side: int
    edge: int
    square: bool
    filter: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """(n, 3, side, side) float32 of uint8 pictures (n, height, width, 3) of any size."""
        levels = np.stack([self._fit(image) for image in images]).astype(np.float32) / np.float32(255)
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        normal: NDArray[np.float32] = (levels - mean) / std
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))

    def _fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        shorter = min(height, width)
        # Rounded down, in whole numbers, as torchvision's Resize does.
        new = (self.edge * width // shorter, self.edge * height // shorter)
        new = (self.edge, self.edge) if self.square else new
        picture = Image.fromarray(image)
        picture = picture if new == (width, height) else picture.resize(new, self.filter)
        left, top = (new[0] - self.side) // 2, (new[1] - self.side) // 2
        return np.asarray(picture.crop((left, top, left + self.side, top + self.side)))


def read_preprocessing(files: dict[str, dict[str, Any]], crops: bool) -> tuple[Preprocessing, str]:
    """The preprocessing of a directory whose JSON files these are, and the file that says it.

    `crops` is whether the family crops where do_center_crop is left out. Raises ModelError, naming file and
    key, where the file is missing, a step is left out that every encoder needs, or pictures would come out
    not square, padded, larger than 2048 pixels or not finite.
    """
    file = PROCESSOR if PREPROCESSOR not in files and PROCESSOR in files else PREPROCESSOR
    if file not in files:
        raise ModelError(f"{file} is missing", REMEDY)
    data: Any = files[file].get("image_processor") if file == PROCESSOR else files[file]
    if not isinstance(data, dict):
        raise ModelError(f"{file} has no image_processor", REMEDY)
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if data.get(step, True) is not True:
            raise ModelError(f"{file}: {step} is {data[step]!r:.60}, but encoders need that step", REMEDY)
    side, edge, square = _geometry(data, crops, file)
    return Preprocessing(side, edge, square, _filter(data, file), *_levels(data, file)), file


def _geometry(data: dict[str, Any], crops: bool, file: str) -> tuple[int, int, bool]:
    """(side, edge, square) of a `Preprocessing`."""
    edge, square = _pixels(data.get("size"), "size", file)
    crops = data.get("do_center_crop", crops)
    if not isinstance(crops, bool):
        raise ModelError(f"{file}: do_center_crop is {crops!r:.60}, not true or false", REMEDY)
    if not crops and not square:
        raise ModelError(f"{file}: size without do_center_crop makes pictures that are not square", REMEDY)
    side = _pixels(data.get("crop_size", USUAL_CROP), "crop_size", file)[0] if crops else edge
    if side > edge:
        raise ModelError(f"{file}: crop_size is {side} pixels, but size only {edge}", REMEDY)
    return side, edge, square


def _pixels(said: Any, key: str, file: str) -> tuple[int, bool]:
    """A number of pixels, and whether both edges are to have it."""
    match said:
        case {"shortest_edge": edge, **rest} if not rest:
            square = False
        case {"height": edge, "width": width, **rest} if not rest and edge == width:
            square = True
        case edge:
            square = False
    if isinstance(edge, bool) or not isinstance(edge, int) or not 1 <= edge <= MOST_SIDE:
        raise ModelError(f"{file} has no usable {key}: {said!r:.60}", REMEDY)
    return edge, square


def _filter(data: dict[str, Any], file: str) -> Image.Resampling:
    said = data.get("resample", Image.Resampling.BICUBIC)
    if isinstance(said, bool) or said not in FILTERS:
        names = ", ".join(f"{f.value} ({f.name.lower()})" for f in FILTERS)
        raise ModelError(f"{file}: resample is {said!r:.60}, not one of {names}", REMEDY)
    return Image.Resampling(said)


def _levels(data: dict[str, Any], file: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of the three channels."""
    try:
        red, green, blue = map(float, data["image_mean"])
        r, g, b = map(float, data["image_std"])
        factor = float(data.get("rescale_factor", 1 / 255))
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        problem = f"{file} has no usable image_mean, image_std and rescale_factor: {error}"
        raise ModelError(problem, REMEDY) from None
    usual = all(abs(value) <= 1e3 for value in (red, green, blue, r, g, b))  # which no nan is
    if not usual or min(r, g, b) < 1e-3:
        raise ModelError(f"{file}: image_mean or image_std makes pictures that are not finite", REMEDY)
    if not abs(255 * factor - 1) < 1e-6:
        raise ModelError(f"{file}: rescale_factor is {factor:g}, not 1/255", REMEDY)
    return (red, green, blue), (r, g, b)
