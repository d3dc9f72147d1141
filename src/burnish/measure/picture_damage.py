"""Damage to pictures that are there already: no model is run for it.

Each takes the pictures of every prompt, the prompts and a strength; None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from burnish.core.evidence import Prompt
from burnish.measure.checks import BROKEN_TOLERATED
from burnish.measure.interval import rate_interval
from burnish.measure.pictures import Pictures

FEWEST_IN_SLICE = 8  # prompts of a slice that is broken on purpose


def some_blank(images: Sequence[Pictures], prompts: Sequence[Prompt], share: float) -> Iterator[Pictures]:
    """`share` of the pictures blank, spread over the prompts; more where so few would not be shown."""
    seeds = len(images[0])
    count = max(ceil(share * len(images) * seeds), fewest_shown(len(images)))
    hit = set(np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))
    return (_first_blank(pictures) if k in hit else pictures for k, pictures in enumerate(images))


def shifted_channel(
    images: Sequence[Pictures], prompts: Sequence[Prompt], levels: float
) -> Iterator[Pictures]:
    """`levels` of 255 less red in every picture, cut off at zero."""
    for pictures in images:
        shifted = pictures.copy()
        red = pictures[..., 0].astype(np.float32) - np.float32(levels)
        shifted[..., 0] = red.clip(0, 255).astype(np.uint8)
        yield shifted


def broken_slice(
    images: Sequence[Pictures], prompts: Sequence[Prompt], strength: float
) -> Iterator[Pictures] | None:
    """Every prompt of one slice gets the pictures of a prompt outside it; None where no slice is fit.

    The slice is the largest that holds at most a quarter of the prompts, so that the mean over all hides it.
    """
    sizes: dict[str, int] = {}
    for prompt in prompts:
        for tag in prompt.tags:
            sizes[tag] = sizes.get(tag, 0) + 1
    fit = [tag for tag, n in sizes.items() if FEWEST_IN_SLICE <= n <= len(prompts) / 4]
    if not fit:
        return None
    tag = max(fit, key=sizes.__getitem__)
    outside = [k for k, p in enumerate(prompts) if tag not in p.tags]
    return (images[outside[k % len(outside)]] if tag in p.tags else images[k] for k, p in enumerate(prompts))


def fewest_shown(prompts: int, tolerated: float = BROKEN_TOLERATED) -> int:
    """How many broken prompts of so many show that more than `tolerated` break."""
    return next((k for k in range(1, prompts) if rate_interval(k, prompts).low > tolerated), prompts)


def _first_blank(pictures: Pictures) -> Pictures:
    blank = pictures.copy()
    blank[0] = 255
    return blank
