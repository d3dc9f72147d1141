"""Metrics against closed forms, and against the libraries they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from burnish.core.errors import SuiteError
from burnish.measure.metrics.alignment import alignment
from burnish.measure.metrics.broken import REASONS, broken, reasons
from burnish.measure.metrics.features import feature_distance
from burnish.measure.metrics.frechet import frechet, frechet_extrapolated, frechet_of_gaussians
from burnish.measure.metrics.psnr import CAP_DB, psnr
from burnish.measure.metrics.ssim import ssim

RNG = np.random.default_rng


def test_psnr_of_a_uniform_error_is_its_closed_form() -> None:
    """An error of e levels everywhere is 20 log10(255 / e) dB."""
    dark = np.full((3, 16, 16, 3), 100, dtype=np.uint8)
    lighter = dark + np.array([1, 5, 50], dtype=np.uint8)[:, None, None, None]
    assert psnr(lighter, dark) == pytest.approx(20 * np.log10(255 / np.array([1, 5, 50])))
    assert psnr(dark, lighter) == pytest.approx(psnr(lighter, dark))


def test_psnr_is_scikit_images(icons: np.ndarray) -> None:
    """Below the cap, and for pictures whose errors differ."""
    noisy = np.stack([grainy(icons[k], 5.0 * (k + 1)) for k in range(4)])
    expected = [peak_signal_noise_ratio(b, a, data_range=255) for a, b in zip(noisy, icons[:4], strict=True)]
    assert psnr(noisy, icons[:4]) == pytest.approx(expected)


def grainy(picture: np.ndarray, spread: float) -> np.ndarray:
    """A picture with noise of so many levels."""
    return np.clip(picture + RNG(1).normal(0, spread, picture.shape), 0, 255).astype(np.uint8)


def test_psnr_of_identical_pictures_is_the_cap(icons: np.ndarray) -> None:
    """Identical pictures have the cap, and one number far off in one pixel has less."""
    changed = icons[:1].copy()
    changed[0, 0, 0, 0] -= 200
    assert psnr(icons, icons) == pytest.approx(CAP_DB)
    expected = 20 * np.log10(255 / 200) + 10 * np.log10(64 * 64 * 3)
    assert psnr(changed, icons[:1])[0] == pytest.approx(expected)


def test_ssim_is_scikit_images_and_one_for_identical_pictures(icons: np.ndarray) -> None:
    """SSIM is the mean over channels of scikit-image's, with the paper's window."""
    noisy = np.clip(icons + RNG(1).normal(0, 20, icons.shape), 0, 255).astype(np.uint8)
    kept = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = [
        np.mean([structural_similarity(a[..., c], b[..., c], **kept) for c in range(3)])
        for a, b in zip(noisy[:4], icons[:4], strict=True)
    ]
    assert ssim(noisy[:4], icons[:4]) == pytest.approx(expected)
    assert ssim(icons[:4], icons[:4]) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_pictures_that_do_not_pair_are_refused(metric, icons: np.ndarray) -> None:
    """Other numbers, sizes or types of pictures raise SuiteError."""
    for other in (icons[:3], icons[:4, :32], icons[:4].astype(np.float32)):
        with pytest.raises(SuiteError):
            metric(other, icons[:4])


def test_ssim_refuses_pictures_below_its_window(icons: np.ndarray) -> None:
    """Ten pixels are too few for a window of eleven."""
    with pytest.raises(SuiteError, match="11 pixels"):
        ssim(icons[:1, :10], icons[:1, :10])


def test_feature_metrics_are_cosines() -> None:
    """Same, orthogonal and opposite features are 0, 1, 2 apart and align at 100, 0, -100 points."""
    here = np.eye(3, dtype=np.float32)[[0, 0, 0]]
    there = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0]], dtype=np.float32)
    assert feature_distance(here, there) == pytest.approx([0, 1, 2])
    assert alignment(here, there) == pytest.approx([100, 0, -100])
    for metric in (feature_distance, alignment):
        with pytest.raises(SuiteError):
            metric(here, there[:2])


def test_frechet_of_gaussians_is_the_closed_form() -> None:
    """Diagonal Gaussians: |m1 - m2|^2 + sum (s1 - s2)^2; full ones: scipy's matrix root."""
    s1, s2, shift = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 0.5]), np.array([1.0, 0.0, -2.0])
    diagonal = frechet_of_gaussians(shift, np.diag(s1**2), 0 * shift, np.diag(s2**2))
    assert diagonal == pytest.approx(5.0 + np.square(s1 - s2).sum())
    a, b = (m @ m.T for m in RNG(0).normal(size=(2, 5, 5)))
    zero = np.zeros(5)
    expected = np.trace(a + b - 2 * sqrtm(a @ b).real)
    assert frechet_of_gaussians(zero, a, zero, b) == pytest.approx(expected)


def test_frechet_of_samples_finds_a_shift_and_refuses_small_ones() -> None:
    """A set against itself is 0, a shift of 2 adds 4, and n below d raises SuiteError."""
    features = RNG(0).normal(size=(400, 6)).astype(np.float32)
    shifted = features + np.float32([2, 0, 0, 0, 0, 0])
    assert frechet(features, features) == pytest.approx(0.0, abs=1e-9)
    assert frechet(features, shifted) == pytest.approx(4.0, rel=1e-4)
    with pytest.raises(SuiteError, match="at least 6"):
        frechet(features[:5], features)


@pytest.mark.parametrize("d", [16, 24])
def test_two_samples_of_one_gaussian_extrapolate_to_nothing(d: int) -> None:
    """At ten pictures a feature the plain distance is far above 0, its extrapolation 0 within chance."""
    pairs = [RNG(seed).normal(size=(2, 10 * d, d)).astype(np.float32) for seed in range(8)]
    found = [frechet_extrapolated(x, y) for x, y in pairs]
    mean = np.mean([f.distance for f in found])
    error = np.std([f.distance for f in found], ddof=1) / np.sqrt(8)
    assert abs(mean) < 3.5 * error
    assert np.mean([frechet(x, y) for x, y in pairs]) > 0.9 > 5 * abs(mean)
    assert all(f.r_squared > 0.95 and f.error < 0.2 for f in found)


def test_an_extrapolated_shift_is_its_square() -> None:
    """Gaussians with means mu apart are |mu|^2 apart, whatever the number of pictures adds to it."""
    shift = np.linspace(-0.5, 1.0, 16)
    pairs = [RNG(seed).normal(size=(2, 400, 16)) for seed in range(8)]
    found = [frechet_extrapolated(x.astype(np.float32), (y + shift).astype(np.float32)) for x, y in pairs]
    assert np.mean([f.distance for f in found]) == pytest.approx(np.square(shift).sum(), rel=0.08)


def test_an_extrapolation_is_the_same_each_time() -> None:
    """Its order of pictures has a fixed seed, and of the larger set it takes as many as of the smaller."""
    x, y = RNG(1).normal(size=(2, 90, 4)).astype(np.float32)
    assert frechet_extrapolated(x, y) == frechet_extrapolated(x, y)
    assert frechet_extrapolated(x, y[:40]) != frechet_extrapolated(x, y)


def test_too_few_pictures_are_not_extrapolated() -> None:
    """Below ten pictures a feature, of either set, SuiteError says how many are needed."""
    x = RNG(0).normal(size=(80, 8)).astype(np.float32)
    assert np.isfinite(frechet_extrapolated(x, x).distance)
    for a, b in ((x[:79], x), (x, x[:79])):
        with pytest.raises(SuiteError, match="Use at least 80 pictures"):
            frechet_extrapolated(a, b)


def _saturated() -> np.ndarray:
    return (RNG(2).integers(0, 2, (8, 8, 3)) * 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)


BROKEN = {
    "blank": np.full((64, 64, 3), 255, dtype=np.uint8),
    "saturated": _saturated(),
    "noise-like": RNG(3).integers(0, 256, (64, 64, 3)).astype(np.uint8),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_each_kind_of_broken_picture_is_found_by_its_name(reason: str) -> None:
    """A blank, a clipped and a noisy picture are broken for that reason alone."""
    assert reasons(broken(BROKEN[reason][None])) == ((reason,),)


def test_nearly_blank_and_grey_noise_pictures_are_broken_too() -> None:
    """Rounding noise on one colour is blank; weak grey noise is noise."""
    rng = RNG(4)
    dull = (128 + rng.integers(-1, 2, (1, 64, 64, 3))).astype(np.uint8)
    grey = np.clip(128 + rng.normal(0, 12, (1, 64, 64, 1)), 0, 255).astype(np.uint8).repeat(3, -1)
    assert reasons(broken(np.concatenate([dull, grey]))) == (("blank",), ("noise-like",))


def test_not_a_number_is_found_in_float_pictures(icons: np.ndarray) -> None:
    """A NaN or an infinity is "not finite", and the other pictures of the stack stay whole."""
    levels = icons[:3].astype(np.float32) / 255
    levels[1, 3, 4, 0] = np.nan
    levels[2, 0, 0, 2] = np.inf
    flags = broken(levels)
    assert flags.shape == (3, len(REASONS))
    assert reasons(flags) == ((), ("not finite",), ("not finite",))


def test_ordinary_icons_are_not_broken(icons: np.ndarray) -> None:
    """Drawn shapes on white, and black line art, are whole."""
    black = np.where(icons[:4].mean(-1, keepdims=True) < 60, 0, 255).astype(np.uint8).repeat(3, -1)
    assert not broken(icons).any()
    assert not broken(black).any()


def test_broken_refuses_what_is_no_picture(icons: np.ndarray) -> None:
    """Other types and shapes raise SuiteError."""
    for other in (icons[0], icons.astype(np.float64), icons[..., :1]):
        with pytest.raises(SuiteError):
            broken(other)
