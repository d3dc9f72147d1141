"""Is the table the sampler? Its replay beside the scheduler's own, and its way with a perfect denoiser."""

from __future__ import annotations

import math

import numpy as np
import torch

from burnish.core.program import Program
from burnish.program.draws import refusal
from burnish.program.replay import Array, replay
from burnish.program.schedule import Level, Schedule, run

# Schedulers compute in float32: honest tables differ by 3e-7, by 2e-6 after 1000 steps; clipped ones by 1e-2.
LIMIT = 1e-5
# How far the share of the picture in a state may be from what the noise schedule says, in parts of the state.
# Honest samplers stay within 0.1 (PNDM started in the middle: 0.24); a wrong sign, a forgotten argument or
# running backwards give 0.33 and more.
_ASTRAY = 0.3
_SHAPE = (1, 4, 3, 3)


def verify(program: Program, schedule: Schedule, levels: list[Level | None]) -> None:
    """Raises ProgramError, with the number, unless `program` does as `schedule` does and leads to a picture.

    `levels` are the (alpha, sigma) of the calls, as far as the scheduler tells them.
    """
    difference = mismatch(program, schedule)
    if not difference <= LIMIT:
        raise refusal(
            schedule.name,
            f"its own steps are not the linear ones of its table: they differ by {difference:.1e} relative",
        )
    pictures = course(program, levels[0][0] if levels[0] else 0.0)
    for i, (picture, level) in enumerate(zip(pictures, [*levels, (1.0, 0.0)], strict=True)):
        alpha, sigma = level or (picture, 1.0)
        if not abs(picture - alpha) < _ASTRAY * math.hypot(alpha, sigma):
            shares = f"state {i} has {picture:.2g} of it, not {alpha:.2g}"
            reason = f"its steps lead away from the clean picture: {shares}"
            raise refusal(schedule.name, reason, 'Try more steps, or timestep_spacing="trailing"')


def mismatch(program: Program, schedule: Schedule) -> float:
    """Largest difference of any state from the scheduler's, relative to the largest entry of that state.

    Both run on one small non-linear denoiser from the same random noise and image, in float64.
    """
    generator = np.random.default_rng(0)
    start, image = generator.normal(size=(2, *_SHAPE))
    noises = generator.normal(size=(program.calls, *_SHAPE))
    mix = generator.normal(size=(start.size, start.size)) / 3.0

    def denoiser(i: int, x: Array, timestep: float) -> Array:
        return np.tanh(mix @ x.ravel() + np.cos(timestep)).reshape(x.shape)

    def output(i: int, scaled: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(denoiser(i, scaled.numpy(), program.timesteps[i]))

    first = torch.from_numpy(program.image_scale * image + program.rows[0].start * start)
    steps = run(schedule, first, output, lambda i: torch.from_numpy(noises[i]))
    theirs = [first.numpy(), *(step.following.numpy() for step in steps)]
    ours = [x for _, x, _ in replay(program, start, denoiser, lambda i: noises[i], image)]
    return float(np.max([np.abs(x - y).max() / np.abs(y).max() for x, y in zip(ours, theirs, strict=True)]))


def course(program: Program, alpha: float) -> list[float]:
    """The share of a clean picture x0, which every call knows, in x_0 .. x_N; x_0 begins with `alpha` of it.

    A sampler that follows its noise schedule, x_i = alpha_i x0 + sigma_i noise, has alpha_i: 1 at the end.
    """

    def perfect(i: int, scaled: Array, timestep: float) -> Array:
        a, b = program.estimate[i]
        return (1.0 - a * scaled / program.input_scale[i]) / b if b else np.zeros(1)

    start, none = np.array([alpha / program.rows[0].start]), np.zeros(1)
    return [x.item() for _, x, _ in replay(program, start, perfect, lambda _: none, none)]
