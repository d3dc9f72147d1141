"""Damage to pictures that are there already: no model is run for it.

Each takes the pictures of every prompt, the prompts and a strength; None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np

from burnish.core.evidence import Prompt
from burnish.measure.pictures import Pictures
from burnish.measure.units import evenly

FEWEST_IN_SLICE = 8  # units of a slice that is broken on purpose


def some_blank(images: Sequence[Pictures], prompts: Sequence[Prompt], share: float) -> Iterator[Pictures]:
    """`share` of the pictures blank, spread over the prompts."""
    count = ceil(share * len(images) * len(images[0]))
    hit = set(evenly(len(images), count))
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
    tags = sorted({tag for p in prompts for tag in p.tags})
    sizes = {tag: len({p.unit for p in prompts if tag in p.tags}) for tag in tags}
    most = len({p.unit for p in prompts}) / 4
    fit = [tag for tag, n in sizes.items() if FEWEST_IN_SLICE <= n <= most]
    if not fit:
        return None
    tag = max(fit, key=sizes.__getitem__)
    outside = [k for k, p in enumerate(prompts) if tag not in p.tags]

    def donor(k: int) -> int:
        around = (outside[(k + step) % len(outside)] for step in range(len(outside)))
        return next(j for j in around if prompts[j].unit != prompts[k].unit)

    return (images[donor(k)] if tag in p.tags else images[k] for k, p in enumerate(prompts))


def _first_blank(pictures: Pictures) -> Pictures:
    blank = pictures.copy()
    blank[0] = 255
    return blank
