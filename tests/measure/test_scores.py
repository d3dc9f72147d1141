"""From pictures to scores, controls included."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from burnish.core.errors import SuiteError
from burnish.measure import scores as scores_module
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


def test_another_encoder_sees_distances_and_the_judge_alignment(judge: Judge, pictures: np.ndarray) -> None:
    """Features and distances are the encoder's, alignment stays the judge's."""

    class Reversed:
        """An encoder that is not the judge."""

        def image_features(self, images: np.ndarray) -> np.ndarray:
            """The judge's features of the negative."""
            return judge.image_features(255 - images)

    darker = pictures // 2
    own, other = score(judge, PROMPTS, darker, pictures), score(judge, PROMPTS, darker, pictures, Reversed())
    assert (own.alignment == other.alignment).all()
    assert not np.allclose(own.distance, other.distance)
    assert np.allclose(other.features[3], judge.image_features(255 - darker[3]), atol=1e-5)


def test_some_prompts_scores_are_theirs(judge: Judge, pictures: np.ndarray) -> None:
    """Every field is cut to the prompts that are asked for, and a missing one stays missing."""
    whole = score(judge, PROMPTS, pictures // 2, pictures)
    part = replace(whole, named=None).of(np.array([5, 2]))
    assert (part.psnr == whole.psnr[[5, 2]]).all()
    assert (part.colour == whole.colour[[5, 2]]).all()
    assert part.named is None


def test_known_features_of_the_reference_change_nothing(
    judge: Judge, pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given with the reference's features, chunk by chunk, scores are what they are without."""
    monkeypatch.setattr(scores_module, "CHUNK", 5)
    own = score(judge, PROMPTS, pictures, pictures)
    once = score(judge, PROMPTS, pictures // 2, pictures)
    again = score(judge, PROMPTS, pictures // 2, pictures, known=own.features)
    for field in fields(once):
        assert getattr(again, field.name) == pytest.approx(getattr(once, field.name), abs=1e-4)
