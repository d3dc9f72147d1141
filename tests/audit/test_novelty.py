"""What is far from training is called novel as often as it should be."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.audit.novelty import band_of, by_band, distance_to, novelty
from burnish.core.errors import SuiteError


def sphere(rng: np.random.Generator, n: int, centre: np.ndarray, spread: float) -> np.ndarray:
    """(n, 8) points of norm 1 around a centre."""
    points = centre + spread * rng.normal(0, 1, (n, 8))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_the_distance_is_one_less_the_cosine() -> None:
    """To the k-th nearest: 0 to itself, 1 at a right angle, 2 opposite."""
    axes = np.eye(3, dtype=np.float32)
    trained = np.concatenate([axes, -axes[:1]])
    assert distance_to(axes[:1], trained, k=1) == pytest.approx([0.0], abs=1e-6)
    assert distance_to(axes[:1], trained, k=2) == pytest.approx([1.0])
    assert distance_to(axes[:1], trained, k=4) == pytest.approx([2.0])
    with pytest.raises(SuiteError, match="no 5-th nearest"):
        distance_to(axes, trained, k=5)


def test_usual_items_are_usual_and_planted_novelties_are_novel() -> None:
    """Items like the held-out ones are called at 10 % one time in ten, items from elsewhere always."""
    rng = np.random.default_rng(0)
    here, elsewhere = np.eye(8)[0], np.eye(8)[1]
    trained, held_out = sphere(rng, 600, here, 0.2), sphere(rng, 400, here, 0.2)
    usual = novelty(sphere(rng, 1000, here, 0.2), trained, held_out)
    assert (usual <= 0.1).mean() == pytest.approx(0.1, abs=0.04)
    assert np.all(novelty(sphere(rng, 50, elsewhere, 0.2), trained, held_out) == pytest.approx(1 / 401))


def test_every_item_is_in_one_band() -> None:
    """Bands part the p-values from the smallest there is to 1, edges included."""
    p = np.array([1e-6, 0.1, 0.1000001, 0.5, 0.51, 1.0])
    assert np.array_equal(np.sum(list(band_of(p).values()), axis=0), np.ones(6))
    assert band_of(p)["novel"].tolist() == [True, True, False, False, False, False]


def test_a_loss_planted_on_novel_prompts_is_found_there() -> None:
    """Three points lost below p = 0.1 alone; a band with few prompts is left out."""
    rng = np.random.default_rng(1)
    p = np.concatenate([rng.uniform(0, 0.1, 40), rng.uniform(0.5001, 1, 40), [0.3, 0.4]])
    original = rng.normal(60, 8, len(p))
    optimized = original + rng.normal(0, 1, len(p)) - 3.0 * (p <= 0.1)
    found = {c.name: c for c in by_band(p, original, optimized)}
    assert set(found) == {"alignment of novel prompts", "alignment of familiar prompts"}
    novel, familiar = found["alignment of novel prompts"], found["alignment of familiar prompts"]
    assert novel.changed
    assert novel.change.low < -3.0 < novel.change.high
    assert not familiar.changed
