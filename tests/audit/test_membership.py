"""A model that knows its set is told from one that does not, as a set."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from burnish.audit.membership import alike_strengths, errors, flip_test, lead, restored_error
from burnish.runtime import Pipeline, Request
from tests.conftest import SD, Bundles


def test_the_flip_test_is_the_exact_one() -> None:
    """With six matches all 64 flips can be counted: the share at or above the mean seen."""
    gaps = np.array([0.9, 0.4, -0.2, 0.8, 0.1, 0.3])
    exact = np.mean([np.mean(gaps * signs) >= gaps.mean() - 1e-12 for signs in product((1, -1), repeat=6)])
    assert flip_test(gaps) == pytest.approx(exact, abs=0.01)


def test_a_model_that_knows_nothing_is_accused_one_time_in_twenty() -> None:
    """Skewed gaps of either sign: p is at most 0.05 in about 5 % of 300 audits, and never 0."""
    rng = np.random.default_rng(0)
    p = np.array([flip_test(rng.choice([-1, 1], 40) * rng.exponential(1, 40), flips=999) for _ in range(300)])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
    assert p.min() >= 1 / 1000


def test_a_planted_memory_is_found_and_its_growth_measured() -> None:
    """Members come back half a level better with the original and 1.5 better with the optimized model."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 2, 100)
    original, optimized = noise + 0.5, noise + 1.5 + rng.normal(0, 0.3, 100)
    shown, p_values = lead(original, optimized)
    assert shown.change.low < 1.0 < shown.change.high
    assert shown.changed
    assert list(p_values.values())[1] <= 0.001


def test_the_error_is_in_levels() -> None:
    """Pictures that are three levels off everywhere are three levels off."""
    picture = np.full((4, 4, 3), 100, dtype=np.uint8)
    assert restored_error(np.stack([picture + 3, picture - 3]), picture) == pytest.approx(3.0)


def test_errors_are_of_one_call_on_the_noised_picture(bundle: Bundles) -> None:
    """What a first step restores, mean over both strengths, from the public request alone."""
    pipeline = Pipeline(bundle(SD))
    side = pipeline.bundle.model.image_shape[1]
    picture = np.random.default_rng(2).integers(0, 256, (side, side, 3)).astype(np.uint8)
    tries = []
    for strength in (0.25, 0.5):
        request = Request(
            seeds=(0, 1), prompts=("a", "a"), negative_prompt="a", image=picture, strength=strength
        )
        tries.append(restored_error(next(pipeline.steps(request)).preview(), picture))
    assert errors(pipeline, picture[None], ["a"], (0, 1)) == pytest.approx([np.mean(tries)])


def test_both_models_begin_at_like_timesteps(bundle: Bundles) -> None:
    """Twelve steps and three: each strength's start is the nearest there is, and a model is like itself."""
    many, few = Pipeline(bundle(SD, num_inference_steps=12)), Pipeline(bundle(SD, num_inference_steps=3))
    theirs, ours = alike_strengths(many, few)
    for a, b in zip(theirs, ours, strict=True):
        begin = [
            p.start_program(n - min(int(n * s), n)).timesteps[0] for p, n, s in ((many, 12, a), (few, 3, b))
        ]
        others = [abs(many.start_program(k).timesteps[0] - begin[1]) for k in range(12)]
        assert abs(begin[0] - begin[1]) == min(others)
    same, itself = alike_strengths(few, few)
    assert same == itself


def test_guidance_makes_no_difference(bundle: Bundles) -> None:
    """A bundle that is guided more strongly restores with the same error."""
    picture = np.random.default_rng(3).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    found = [errors(Pipeline(bundle(SD, guidance_scale=w)), picture, ["a"], (0,)) for w in (3.0, 9.0)]
    assert found[0] == pytest.approx(found[1], abs=0.02)
