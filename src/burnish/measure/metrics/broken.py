"""Broken pictures: what no prompt asks for, and what a mean over many pictures hides.

Thresholds lie outside what 6,000 rendered icons show (spread at least 3.5, at most 23 % pure colours,
neighbour correlation at least 0.42) and inside what blank, clipped and undenoised decodes show. Reasons are
heuristics: the gate compares a candidate with its reference, so a style that trips one trips it on both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import SuiteError
from burnish.measure.pictures import Flags, Pictures

Decoded = NDArray[np.uint8] | NDArray[np.float32]
Levels = NDArray[np.float32]

BLANK_SPREAD = 2.0  # levels of 255; rounding noise on one colour is below 1
PURE_SHARE = 0.5  # of pixels whose three channels are all clipped, black and white aside
NOISE_CORRELATION = 0.3  # between neighbours; white noise has 0, real and drawn pictures 0.7 to 0.99


def _not_finite(levels: Levels) -> Flags:
    return np.asarray(~np.isfinite(levels).all(axis=(1, 2, 3)))


def _blank(levels: Levels) -> Flags:
    return np.asarray(levels.std(axis=(1, 2, 3)) < BLANK_SPREAD)


def _saturated(levels: Levels) -> Flags:
    low, high = levels.min(axis=-1), levels.max(axis=-1)
    clipped = ((levels <= 0) | (levels >= 255)).all(axis=-1)
    return np.asarray((clipped & (low < high)).mean(axis=(1, 2)) > PURE_SHARE)


def _noise_like(levels: Levels) -> Flags:
    grey = levels.mean(axis=-1)
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    power = np.maximum(np.square(grey).mean(axis=(1, 2)), 1e-6)
    across = (grey[:, :, 1:] * grey[:, :, :-1]).mean(axis=(1, 2))
    down = (grey[:, 1:] * grey[:, :-1]).mean(axis=(1, 2))
    return np.asarray(((across + down) / 2 / power < NOISE_CORRELATION) & ~_blank(levels))


REASONS: dict[str, Callable[[Levels], Flags]] = {
    "not finite": _not_finite,
    "blank": _blank,
    "saturated": _saturated,
    "noise-like": _noise_like,
}


def broken(images: Decoded) -> Flags:
    """Which picture is broken for which of `REASONS`, shape (n, 4), in that order.

    `images` is uint8, or float32 in [0, 1] as a decoder gives it before rounding, where NaN still shows;
    (n, height, width, 3). A rare event: k of n says little below some sixty prompts (0 of 60 is "below
    5 %", about 3/n). Heuristics of our own, no paper. Raises SuiteError for other types and shapes.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype not in (np.uint8, np.float32):
        raise SuiteError(f"pictures are {images.dtype} {images.shape}", "Give (n, height, width, 3)")
    flags = np.zeros((len(images), len(REASONS)), dtype=np.bool_)
    for k in range(len(images)):  # one at a time, so that memory does not grow with n
        levels = images[k : k + 1].astype(np.float32)
        levels = levels if images.dtype == np.uint8 else levels * np.float32(255)
        finite = np.nan_to_num(levels, nan=0.0, posinf=255.0, neginf=0.0)
        flags[k] = [test(levels if reason == "not finite" else finite)[0] for reason, test in REASONS.items()]
    return flags


def repeated(images: Pictures) -> bool:
    """Whether two seeds of a prompt drew the same picture, byte for byte; (seeds, height, width, 3) uint8."""
    return len({picture.tobytes() for picture in images}) < len(images)


def reasons(flags: Flags) -> tuple[tuple[str, ...], ...]:
    """The names of what is wrong with each picture, () where nothing is."""
    return tuple(tuple(name for name, hit in zip(REASONS, row, strict=True) if hit) for row in flags)
