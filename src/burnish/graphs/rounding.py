"""Weights of one layer as integers of few bits and fp16 scales, each error made good by those after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int8]
Scales = NDArray[np.float16]
SMALLEST = np.float16(2**-14)  # the least that fp16 has in full precision
FULL = 8  # bits that have room for every weight of a group, so that clipping none is best
# Parts of the range that keeps all of a group; a smaller one clips the greatest and rounds the rest finer.
CLIPS = tuple(np.linspace(1.0, 0.7, 13))
DAMPING = 0.01  # of the mean second moment, as in GPTQ's section 3.3


def rounded(weight: Array, bits: int, size: int, moment: Doubles | None = None) -> tuple[Integers, Scales]:
    """(channels, n) -> integers (channels, n / size, size) and scales (channels, n / size, 1).

    `size` divides n. Without `moment` each weight goes to the nearest integer. With it, the (n, n) second
    moment of the layer's inputs, columns are rounded one after another and those that are left move, so that
    the layer's outputs stay (Frantar et al., GPTQ, arXiv 2210.17323, algorithm 1 with a group a block).
    """
    groups = weight.reshape(len(weight), -1, size)
    if moment is None:
        scale = _scales(groups, bits)
        return _integers(groups, scale, bits), scale
    left = weight.astype(np.float64)
    upper = _inverse_root(moment)
    found, scale = np.empty(groups.shape, np.int8), np.empty((*groups.shape[:2], 1), np.float16)
    for g in range(groups.shape[1]):
        first, last = g * size, (g + 1) * size
        block, corner = left[:, first:last], upper[first:last, first:last]
        scale[:, g] = _scales(block, bits)
        errors = np.empty_like(block)
        for k in range(size):
            found[:, g, k] = _integers(block[:, k : k + 1], scale[:, g], bits)[:, 0]
            errors[:, k] = (block[:, k] - found[:, g, k] * scale[:, g, 0].astype(np.float64)) / corner[k, k]
            block[:, k:] -= np.outer(errors[:, k], corner[k, k:])
        left[:, last:] -= errors @ upper[first:last, last:]
    return found, scale


def unrounded(integers: Integers, scale: Scales) -> Array:
    """(channels, groups, size) back to weights (channels, n)."""
    whole: Array = integers.astype(np.float32) * scale.astype(np.float32)
    return whole.reshape(len(whole), -1)


def _inverse_root(moment: Doubles) -> Doubles:
    """The upper Cholesky factor of the inverse of the damped second moment."""
    dead = np.diag(moment) == 0  # an input that is always 0 says nothing of its weight
    damped = moment + np.diag(DAMPING * np.diag(moment).mean() + dead)
    return np.linalg.cholesky(np.linalg.inv(damped)).T


def _scales(groups: NDArray[np.floating], bits: int) -> Scales:
    """(..., 1) for groups along the last axis, of a few the one with the least squared error.

    The greatest weight of a group is the least integer, as there is one more of that sign.
    """
    where = np.abs(groups).argmax(axis=-1, keepdims=True)
    whole = np.take_along_axis(groups, where, axis=-1) / -(1 << (bits - 1))
    clips = CLIPS[:1] if bits >= FULL else CLIPS
    tried = [_in_fp16(clip * whole) for clip in clips]
    errors = [np.square(groups - _integers(groups, s, bits) * s.astype(np.float64)).sum(-1) for s in tried]
    best = np.argmin(errors, axis=0)
    return np.take_along_axis(np.stack(tried), best[None, ..., None], axis=0)[0]


def _in_fp16(scale: NDArray[np.floating]) -> Scales:
    half = scale.astype(np.float16)
    return np.where(np.abs(half) < SMALLEST, SMALLEST, half)


def _integers(values: NDArray[np.floating], scale: Scales, bits: int) -> Integers:
    limit = 1 << (bits - 1)
    return np.clip(np.round(values / scale.astype(np.float64)), -limit, limit - 1).astype(np.int8)
