"""Noise per image: a function of (seed, draw) alone, whatever batch, machine or runtime asks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import RequestError

SEED_LIMIT = 2**63
INITIAL = 0  # draw 0 is x_T; draw 1 + j is the fresh noise of step j

Array = NDArray[np.float32]


def check_seed(seed: int) -> int:
    """The seed, or RequestError when it is outside [0, 2^63)."""
    if not 0 <= seed < SEED_LIMIT:
        raise RequestError(f"seed {seed} is out of range", f"Use 0 to {SEED_LIMIT - 1}")
    return seed


def noise(seeds: tuple[int, ...], shape: tuple[int, ...], draw: int = INITIAL) -> Array:
    """Standard normal noise (len(seeds), *shape), float32. Image k depends on seeds[k] and `draw` only.

    Philox 4x64 is counter-based (Salmon et al., 2011): the seed is the key, the draw a counter word.
    """
    images = []
    for seed in seeds:
        bits = np.random.Philox(key=check_seed(seed), counter=[0, 0, 0, draw])
        images.append(np.random.Generator(bits).standard_normal(shape, dtype=np.float32))
    return np.stack(images)
