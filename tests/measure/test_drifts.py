"""Drifts of colour, contrast and detail, and named pictures, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_cie76, rgb2lab

from burnish.core.errors import SuiteError
from burnish.measure.metrics import named as named_module
from burnish.measure.metrics.colour import colour_drift
from burnish.measure.metrics.contrast import contrast_drift
from burnish.measure.metrics.detail import CUT, detail_drift, fine_power
from burnish.measure.metrics.named import named

RNG = np.random.default_rng
DRIFTS = [colour_drift, contrast_drift, detail_drift]


def lightness(level: float) -> float:
    """CIE L* of a grey sRGB level, written out: IEC 61966-2-1, then CIE 15."""
    linear = ((level / 255 + 0.055) / 1.055) ** 2.4
    return 116 * linear ** (1 / 3) - 16


def flat(*colours: tuple[int, int, int]) -> np.ndarray:
    """A picture of one colour each, (n, 24, 24, 3)."""
    return (
        np.ones((len(colours), 24, 24, 3), dtype=np.uint8) * np.array(colours, dtype=np.uint8)[:, None, None]
    )


def white_noise(n: int, side: int, spread: float, seed: int = 0) -> np.ndarray:
    """Grey noise around 128, (n, side, side) float64."""
    return RNG(seed).normal(128, spread, (n, side, side))


def grey(levels: np.ndarray) -> np.ndarray:
    """Levels (n, h, w) as uint8 pictures."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)[..., None].repeat(3, -1)


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_picture_against_itself_has_no_drift(drift, icons: np.ndarray) -> None:
    """0 for drawn pictures, and for blank ones."""
    blank = flat((0, 0, 0), (255, 255, 255), (9, 200, 30))
    assert drift(icons[:4], icons[:4]) == pytest.approx(np.zeros(4), abs=1e-12)
    assert drift(blank, blank) == pytest.approx(np.zeros(3), abs=1e-12)


@pytest.mark.parametrize("drift", DRIFTS)
def test_blank_pictures_have_a_finite_drift(drift, icons: np.ndarray) -> None:
    """A picture that became blank, or was, gives a number, the other way round the same but for its sign."""
    blank = np.full_like(icons[:4], 255)
    lost, found = drift(blank, icons[:4]), drift(icons[:4], blank)
    assert np.isfinite(lost).all()
    assert np.abs(lost) == pytest.approx(np.abs(found))
    assert (np.abs(lost) > 0.5).all()


@pytest.mark.parametrize("drift", DRIFTS)
def test_drifts_refuse_what_does_not_pair(drift, icons: np.ndarray) -> None:
    """Other numbers, sizes or types of pictures raise SuiteError."""
    for other in (icons[:3], icons[:4, :32], icons[:4].astype(np.float32)):
        with pytest.raises(SuiteError):
            drift(other, icons[:4])


def test_colour_drift_is_the_delta_e_of_the_shift() -> None:
    """Greys differ by their lightness, black and white by 100, and a shifted channel as scikit-image says."""
    greys = colour_drift(flat((128,) * 3, (255,) * 3), flat((100,) * 3, (0,) * 3))
    assert greys == pytest.approx([lightness(128) - lightness(100), 100.0], abs=0.01)
    here, there = flat((90, 120, 200)), flat((110, 120, 200))
    expected = deltaE_cie76(rgb2lab(here[0, 0, 0] / 255), rgb2lab(there[0, 0, 0] / 255))
    assert colour_drift(here, there) == pytest.approx([expected])


def test_colour_drift_does_not_see_what_is_where(icons: np.ndarray) -> None:
    """A picture turned over has the same mean colour."""
    assert colour_drift(icons[:4, ::-1], icons[:4]) == pytest.approx(np.zeros(4), abs=1e-6)


def test_contrast_drift_is_the_log_of_the_ratio() -> None:
    """Half the contrast is log 0.5, whatever the mean; a contrast of 0 counts as half a level."""
    sign = np.where(np.indices((1, 16, 16)).sum(axis=0) % 2, 1, -1)
    full, half, dark = grey(128 + 64 * sign), grey(128 + 32 * sign), grey(70 + 64 * sign)
    assert contrast_drift(half, full) == pytest.approx([math.log(0.5)])
    assert contrast_drift(full, half) == pytest.approx([math.log(2.0)])
    assert contrast_drift(dark, full) == pytest.approx([0.0], abs=1e-12)
    assert contrast_drift(np.full_like(full, 128), full) == pytest.approx([math.log(0.5 / 64)])


def test_white_noise_has_its_share_beyond_half_of_nyquist() -> None:
    """The band holds 1 - pi / 16 of the square of frequencies, so of white noise's variance."""
    powers = [fine_power(noise) for noise in white_noise(12, 128, 20.0)]
    assert np.mean(powers) == pytest.approx(400 * (1 - math.pi / 16), rel=0.02)


def test_a_slope_has_no_fine_detail() -> None:
    """A gradient from edge to edge, whose edges do not match, has no power in the band."""
    slope = np.tile(np.linspace(0.0, 255.0, 64), (64, 1))
    assert fine_power(slope) < 1e-3


def test_a_blur_loses_the_detail_that_its_closed_form_says() -> None:
    """A Gaussian blur of white noise leaves exp(-4 pi^2 s^2 f^2) of the power at f, a mean over the band."""
    sigma, noise = 0.5, white_noise(8, 128, 30.0)
    f = (np.arange(1024) + 0.5) / 1024 - 0.5
    squared = np.square(f)[:, None] + np.square(f)
    band = squared > CUT**2
    # Of samples that add up to 1: the spectrum repeats with every period, and is 1 at frequency 0.
    periods = np.arange(-3, 4)[:, None]
    one = np.exp(-2 * np.pi**2 * sigma**2 * np.square(f + periods)).sum(axis=0)
    one /= np.exp(-2 * np.pi**2 * sigma**2 * np.square(periods)).sum()
    kept = np.square(one[:, None] * one)[band].mean()
    blurred = np.stack([gaussian_filter(x, sigma, mode="wrap", truncate=8.0) for x in noise])
    found = detail_drift(grey(blurred), grey(noise))
    assert found.mean() == pytest.approx(math.log(kept), abs=0.01)
    assert found.std() < 0.03
    assert (detail_drift(grey(white_noise(8, 128, 30.0, seed=1)), grey(blurred)) > 0.5).all()


def test_pictures_are_named_by_the_nearest_caption_alone() -> None:
    """The right caption must be strictly first: one that is second, or ties, is wrong."""
    captions = np.eye(4, dtype=np.float32)
    pictures = np.array([[1, 0, 0, 0], [0.6, 0.8, 0, 0], [0, 0.8, 0.6, 0], [0, 0, 1, 1]], dtype=np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    assert named(pictures, captions, np.arange(4)).tolist() == [True, True, False, False]
    assert named(pictures, captions, np.array([1, 0, 1, 2])).tolist() == [False, False, True, False]


def test_captions_that_the_judge_cannot_tell_apart_name_nothing() -> None:
    """The same features twice are a tie, in any order and whatever the rounding."""
    rows = RNG(0).normal(size=(40, 64)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert named(rows, rows, np.arange(40)).all()
    assert not named(rows, np.concatenate([rows, rows]), np.arange(40)).any()


def test_chance_names_one_picture_of_m() -> None:
    """Features that know nothing are right about once in m."""
    pictures, captions = RNG(0).normal(size=(4000, 16)), RNG(1).normal(size=(20, 16))
    flags = named(pictures.astype(np.float32), captions.astype(np.float32), np.arange(4000) % 20)
    assert flags.mean() == pytest.approx(1 / 20, abs=0.015)


def test_chunks_of_pictures_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven at a time, the last ones fewer, are named as all at once."""
    pictures, captions = (
        RNG(0).normal(size=(50, 8)).astype(np.float32),
        RNG(1).normal(size=(5, 8)).astype(np.float32),
    )
    which = np.arange(50) % 5
    whole = named(pictures, captions, which)
    monkeypatch.setattr(named_module, "CHUNK", 7)
    assert np.array_equal(named(pictures, captions, which), whole)
    assert 0 < whole.sum() < 50


@pytest.mark.parametrize(
    ("captions", "which"),
    [
        (np.eye(3, 5), [0, 1]),
        (np.eye(3, 4), [0]),
        (np.eye(1, 4), [0, 0]),
        (np.eye(3, 4), [0, 3]),
        (np.eye(3, 4), [-1, 0]),
    ],
)
def test_what_cannot_be_named_is_refused(captions: np.ndarray, which: list[int]) -> None:
    """Other dimensions, too few captions, and captions that are not there raise SuiteError."""
    with pytest.raises(SuiteError):
        named(np.eye(2, 4, dtype=np.float32), captions.astype(np.float32), np.array(which))
