"""Planted copies are near, planted captions are called, and chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.audit.memorisation import called, magnitude, magnitudes, near, rates
from burnish.core.errors import RequestError
from burnish.core.evidence import Prompt
from burnish.runtime import Pipeline
from tests.conftest import DDPM, SD, STEPS, Bundles, asked


def points(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 16) random points of norm 1."""
    found = rng.normal(0, 1, (n, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def test_copies_are_near_and_new_pictures_are_not() -> None:
    """All planted copies are called; of new pictures, about the 5 % that held-out ones are themselves."""
    rng = np.random.default_rng(0)
    trained, held_out = points(rng, 500), points(rng, 400)
    copies, limit = near(trained[:30] + np.float32(1e-4), trained, held_out)
    assert copies.all()
    assert limit > 0
    assert near(held_out, trained, held_out)[0].mean() == pytest.approx(0.05, abs=1e-9)
    assert near(points(rng, 1000), trained, held_out)[0].mean() == pytest.approx(0.05, abs=0.025)


def test_a_copy_among_the_held_out_hides_no_alarm_behind_a_tie() -> None:
    """Where many held-out pictures are themselves copies, being as near as they are is not called."""
    rng = np.random.default_rng(1)
    trained = points(rng, 50)
    held_out = np.concatenate([trained[:10], points(rng, 90)])
    assert not near(trained[:5], trained, held_out)[0].any()


def test_rates_are_paired() -> None:
    """Ten prompts turn near of a hundred: both exact rates, and a change whose interval leaves 0 out."""
    original = np.arange(100) < 20
    found = rates("near", original, np.arange(100) < 30)
    assert (found.original.mean, found.optimized.mean) == (0.2, 0.3)
    assert found.change.mean == pytest.approx(0.1)
    assert found.changed
    assert found.p_value == pytest.approx(2 * 0.5**10)
    assert not rates("near", original, original).changed


def test_the_magnitude_is_the_root_mean_square_of_what_the_text_changes() -> None:
    """One unit a number is 1, whatever the latents' size."""
    for shape in ((2, 4, 8, 8), (2, 1, 2, 2)):
        zero = np.zeros(shape, dtype=np.float32)
        assert magnitude(zero, zero + np.float32(3.0)) == pytest.approx([3.0, 3.0])


def test_planted_memorised_prompts_are_called() -> None:
    """Ten prompts of forty push the first call twice as far: they are called, and hardly any other."""
    rng = np.random.default_rng(2)
    unseen, trained = rng.normal(1.0, 0.1, 200), rng.normal(1.0, 0.1, 40)
    assert called(trained, unseen).sum() <= 2
    trained[:10] *= 2
    found = called(trained, unseen)
    assert found[:10].all()
    assert found[10:].sum() <= 3


def test_first_outputs_are_the_first_calls(bundle: Bundles) -> None:
    """The two passes that guidance combines: their combination is the first step's own estimate."""
    pipeline = Pipeline(bundle(SD))
    request = asked(SD, 3, 4)
    unconditional, conditional = pipeline.first_outputs(request)
    program = pipeline.program
    seen: list[np.ndarray] = []
    watched = Pipeline(bundle(SD), observe=lambda role, wires: seen.append(wires["sample"].copy()))
    preview = next(watched.steps(request)).preview()
    a, b = program.estimate[0]
    guided = unconditional + program.guidance[0] * (conditional - unconditional)
    x = seen[0] / program.input_scale[0]
    clean = (a * x + b * guided).astype(np.float32)
    assert program.calls == STEPS
    assert np.abs(watched._pixels(clean).astype(int) - preview).max() <= 1
    assert not np.array_equal(unconditional, conditional)


def test_a_prompt_that_asks_for_nothing_has_no_magnitude(bundle: Bundles) -> None:
    """The empty prompt is the unconditional pass itself; another prompt moves the output."""
    found = magnitudes(Pipeline(bundle(SD)), [Prompt(prompt=""), Prompt(prompt="a red apple")], (0, 1))
    assert found[0] == 0.0
    assert found[1] > 0.0


def test_a_model_without_conditions_is_refused(bundle: Bundles) -> None:
    """There is no text whose magnitude could be asked for."""
    with pytest.raises(RequestError, match="no unconditional pass"):
        Pipeline(bundle(DDPM)).first_outputs(asked(DDPM))
