"""From pictures to scores, controls included."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from burnish.core.errors import SuiteError
from burnish.measure import scores as scores_module
from burnish.measure.controls import PLANTED, planted
from burnish.measure.gate import verdict
from burnish.measure.judge import Judge
from burnish.measure.metrics.psnr import CAP_DB
from burnish.measure.scores import score

PROMPTS = list("abcdefghijklmnop")


@pytest.fixture(scope="module")
def pictures(icons: np.ndarray) -> np.ndarray:
    """Sixteen prompts, two seeds each: (16, 2, 64, 64, 3)."""
    return icons[:32].reshape(16, 2, 64, 64, 3)


def test_the_reference_against_itself_is_identical(judge: Judge, pictures: np.ndarray) -> None:
    """PSNR is the cap, SSIM 1, distance 0, and alignment is that of each picture with its own prompt."""
    own = score(judge, PROMPTS, pictures, pictures)
    assert own.shape == (16, 2)
    assert (own.psnr == CAP_DB).all()
    assert own.ssim == pytest.approx(1.0)
    assert own.distance == pytest.approx(0.0, abs=1e-6)
    assert not own.broken.any()
    text, image = judge.text_features(PROMPTS[3:4]), judge.image_features(pictures[3])
    assert own.alignment[3] == pytest.approx(100 * (image @ text[0]), abs=1e-4)
    assert own.features.shape == (16, 2, judge.dimension)


def test_a_prompt_whose_seeds_draw_the_same_is_broken(judge: Judge, pictures: np.ndarray) -> None:
    """A model that ignores its seed is no model; other prompts are as whole as before."""
    repeated = pictures.copy()
    repeated[3, 1] = repeated[3, 0]
    found = score(judge, PROMPTS, repeated, pictures)
    assert found.broken.all(axis=1).nonzero()[0].tolist() == [3]
    assert not np.delete(found.broken, 3, axis=0).any()


def test_chunks_and_generators_change_nothing(
    judge: Judge, pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompt by prompt from a generator, three at a time, gives what whole arrays give."""
    darker = pictures // 2
    whole = score(judge, PROMPTS, darker, pictures)
    monkeypatch.setattr(scores_module, "CHUNK", 3)
    parts = score(judge, PROMPTS, (p for p in darker), list(pictures))
    for field in fields(whole):
        assert getattr(parts, field.name) == pytest.approx(getattr(whole, field.name), abs=1e-4)


def test_numbers_that_differ_are_refused(judge: Judge, pictures: np.ndarray) -> None:
    """Too few or too many pictures, prompts or seeds raise SuiteError."""
    uneven = [*pictures[:15], pictures[15, :1]]
    for prompts, ours, theirs in (
        (PROMPTS[:15], pictures, pictures),
        ([*PROMPTS, "q"], pictures, pictures),
        (PROMPTS, pictures[:15], pictures),
        (PROMPTS, uneven, pictures),
        (PROMPTS, uneven, uneven),
        ([], pictures[:0], pictures[:0]),
    ):
        with pytest.raises(SuiteError):
            score(judge, prompts, ours, theirs)


def test_planted_damage_fails_and_the_candidate_is_judged(judge: Judge, pictures: np.ndarray) -> None:
    """With enough prompts both damages FAIL the faithful floor, so that a faint change gets its PASS."""
    many = np.concatenate([pictures] * 4)  # 64 prompts
    prompts = PROMPTS * 4
    reference = score(judge, prompts, many, many)
    faint = score(judge, prompts, np.maximum(many, 1) - 1, many)
    found = verdict("faithful", faint, reference, planted(judge, prompts, many))
    assert found.outcome == "PASS"
    assert [c.outcome for c in found.controls] == ["PASS", "FAIL", "FAIL"]


def test_planted_damage_is_what_its_name_says(pictures: np.ndarray) -> None:
    """Pictures move to the next prompt; the first of every five prompts is white."""
    moved = np.stack(list(PLANTED["pictures of another prompt"](pictures)))
    blanked = np.stack(list(PLANTED["every fifth prompt blank"](pictures)))
    assert (moved == np.roll(pictures, 1, axis=0)).all()
    assert (blanked[::5] == 255).all()
    assert (blanked[1:5] == pictures[1:5]).all()
