"""Detail drift: whether fine texture was lost, or noise came in its place."""

from __future__ import annotations

import numpy as np

from burnish.measure.metrics.luma import lumas
from burnish.measure.pictures import Pictures, Values, check_pairs

CUT = 0.25  # cycles a pixel: half of the finest that pixels can show (Nyquist)
FLOOR = 1 / 12  # levels squared: the power of rounding to whole levels, below which nothing is detail


def fine_power(luma: Values) -> float:
    """Variance of a picture's luma (height, width) beyond 0.25 cycles a pixel, levels squared, at least 0.

    By Fourier transform, under a Hann window: without one, opposite edges that differ look like detail. White
    noise of variance v has (1 - pi / 16) v = 0.804 v there.
    """
    height, width = luma.shape
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in (height, width)))
    power = np.square(np.abs(np.fft.fft2((luma - luma.mean()) * window)))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    return float(power[frequency > CUT].sum() / (luma.size * np.square(window).sum()))


def detail_drift(images: Pictures, references: Pictures) -> Values:
    """Log of `fine_power` over the reference's, of each pair, shape (n,), no unit; 0 is none, below is loss.

    log 0.5 = -0.69 is half of the energy of fine detail. A measure of our own: the amplitude of natural
    pictures falls as 1/f (Field, JOSA A 4(12), 1987), so this band holds little of their variance, a mean
    error hardly sees it, and blur takes it first. Noise adds to it: above 0 is not better. Powers below 1/12
    count as 1/12, so blank pictures have a finite drift, and two blank ones none. Each pair stands alone; a
    mean needs 30 prompts or so. Raises SuiteError where stacks do not pair.
    """
    check_pairs(images, references)
    ours, theirs = (np.array([fine_power(luma) for luma in lumas(x)]) for x in (images, references))
    return np.log(np.maximum(ours, FLOOR) / np.maximum(theirs, FLOOR))
