"""Losses that a mean hides are seen by their names."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from burnish.measure.judge import Judge
from burnish.measure.scores import score
from burnish.measure.units import any_by_unit, by_unit, number_units
from burnish.measure.watched import watched
from tests.measure.conftest import draw_icons

PROMPTS = [a + b for a in "abcdefgh" for b in "stuvwxyz"][:40]


def _watched(judge: Judge, images: np.ndarray, references: np.ndarray) -> dict[str, str]:
    own = score(judge, PROMPTS, references, references)
    found = watched(score(judge, PROMPTS, images, references), own, np.arange(len(PROMPTS)))
    return {check.metric: check.outcome for check in found}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Forty prompts, two seeds each."""
    return draw_icons(80, seed=4).reshape(40, 2, 64, 64, 3)


def test_nothing_changed_is_no_alarm(judge: Judge, pictures: np.ndarray) -> None:
    """The reference against itself raises none of the five."""
    found = _watched(judge, pictures, pictures)
    assert set(found) == {
        "drift of colour",
        "drift of contrast",
        "small details",
        "diversity within a prompt",
        "pictures named right",
    }
    assert "FAIL" not in found.values()


def test_each_loss_rings_its_own_bell(judge: Judge, pictures: np.ndarray) -> None:
    """A tint, a flat contrast, a blur and one picture for all seeds are each seen by their own name."""
    tinted = pictures.copy()
    tinted[..., 2] = np.maximum(pictures[..., 2], 40) - 40
    flat = (pictures * 0.7 + 60).astype(np.uint8)
    blurred = gaussian_filter(pictures, (0, 0, 1, 1, 0))
    collapsed = pictures.copy()
    collapsed[:, 1] = np.maximum(collapsed[:, 0], 1) - 1
    for images, name in (
        (tinted, "drift of colour"),
        (flat, "drift of contrast"),
        (blurred, "small details"),
        (collapsed, "diversity within a prompt"),
    ):
        assert _watched(judge, images, pictures)[name] == "FAIL", name


def test_units_average_their_prompts_and_break_with_any() -> None:
    """Numbers in order of appearance; a mean a unit; a flag where any prompt of it has one."""
    units = number_units(["b", "a", "b", "c"])
    assert units.tolist() == [0, 1, 0, 2]
    assert by_unit(np.array([1.0, 5.0, 3.0, 9.0]), units).tolist() == [2.0, 5.0, 9.0]
    assert any_by_unit(np.array([False, False, True, False]), units).tolist() == [True, False, False]
