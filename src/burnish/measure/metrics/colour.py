"""Colour drift: whether pictures took on a tint, or became lighter or darker as a whole."""

from __future__ import annotations

import numpy as np

from burnish.measure.pictures import Pictures, Values, check_pairs, check_pictures


def mean_colour(images: Pictures) -> Values:
    """Mean L*, a*, b* over all pixels of each picture, shape (n, 3), CIELAB units; sRGB and D65 assumed."""
    from skimage.color import rgb2lab  # half a second, which no other metric should pay

    return np.array([rgb2lab(p).mean(axis=(0, 1)) for p in check_pictures(images)]).reshape(-1, 3)


def colour_drift(images: Pictures, references: Pictures) -> Values:
    """How far the mean colour moved, of each pair, shape (n,), CIELAB units, at least 0; lower is closer.

    The Euclidean distance ("Delta E", CIE 1976) of both pictures' means of L*, a*, b* over all pixels, sRGB
    and its white point D65 assumed; scikit-image's conversion. From black to white is 100; 2.3 is just seen
    where colours lie side by side (Mahy et al., Color Research and Application 19, 1994). It sees a tint of
    the whole picture and nothing of what is where. Each pair stands alone; a mean needs 30 prompts or so.
    Raises SuiteError where stacks do not pair.
    """
    check_pairs(images, references)
    return np.asarray(np.linalg.norm(mean_colour(images) - mean_colour(references), axis=1))
