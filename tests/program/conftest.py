"""What the tests of Programs share: one thread, Stable Diffusion's schedule, diffusers' loop by hand."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from burnish.core.program import Program
from burnish.program import make_scheduler, replay

Array = np.ndarray[Any, np.dtype[np.float64]]
SHAPE = (1, 4, 3, 3)
STABLE_DIFFUSION = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "clip_sample": False,
}


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Keeps torch off the other cores while these tests run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sd() -> Callable[..., Any]:
    """Makes a scheduler by name on Stable Diffusion's noise schedule."""
    return lambda name, **changes: make_scheduler(name, STABLE_DIFFUSION, **changes)


@pytest.fixture
def difference(monkeypatch: pytest.MonkeyPatch) -> Callable[..., float]:
    """Measures how far a program is from diffusers' own loop, relative, over all states; noise is random."""

    def measure(program: Program, scheduler: Any, num_inference_steps: int, start: int = 0) -> float:
        generator = np.random.default_rng(7)
        noise, image = generator.normal(size=(2, *SHAPE))
        fresh = generator.normal(size=(program.calls, *SHAPE))
        with monkeypatch.context() as patch:
            theirs = by_hand(scheduler, num_inference_steps, start, noise, image, fresh, patch)
        ours = [x for _, x, _ in replay(program, noise, denoiser, lambda i: fresh[i], image)]
        assert len(ours) == len(theirs)
        return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in zip(ours, theirs, strict=True))

    return measure


def denoiser(i: int, x: Array, timestep: float) -> Array:
    """A small non-linear denoiser that mixes its channels and knows the time."""
    return np.sin(1.3 * x) + 0.5 * np.roll(x, 1, axis=1) / (1.0 + x * x) + np.cos(timestep / 100.0)


def by_hand(
    scheduler: Any,
    num_inference_steps: int,
    start: int,
    noise: Array,
    image: Array,
    fresh: Array,
    patch: pytest.MonkeyPatch,
) -> list[Array]:
    """All states of diffusers' text-to-image loop, or its image-to-image loop at step `start` > 0."""
    scheduler.set_timesteps(num_inference_steps)
    first = start * scheduler.order
    timesteps = scheduler.timesteps[first:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    x = torch.from_numpy(noise) * getattr(scheduler, "init_noise_sigma", 1.0)
    if start and hasattr(scheduler, "add_noise"):
        x = scheduler.add_noise(torch.from_numpy(image), torch.from_numpy(noise), timesteps[:1])
    elif start:
        x = scheduler.scale_noise(torch.from_numpy(image), timesteps[:1], torch.from_numpy(noise))
    states = [x.numpy()]
    for i, t in enumerate(timesteps):
        drawn = torch.from_numpy(fresh[i])
        # Another way in than the one under test: the function the schedulers import, in their own module.
        patch.setattr(
            sys.modules[type(scheduler).__module__],
            "randn_tensor",
            lambda shape, generator=None, device=None, dtype=None, layout=None, drawn=drawn: drawn.to(dtype),
            raising=False,
        )
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = scheduler.step(torch.from_numpy(denoiser(i, scaled.numpy(), float(t))), t, x).prev_sample
        states.append(x.numpy())
    return states
