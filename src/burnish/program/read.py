"""Reads a Program from any diffusers scheduler, by running the scheduler's own `step` on basis vectors.

x_T is e_0, output i is e_{1+i}, fresh noise i is e_{1+N+i}, laid as the channels of a (1, 1+2N, 1, 1) tensor:
what comes out of step i is row i+1 of the table. Linear steps read this way replay exactly; whether they were
linear is not believed but verified, on every read, with a non-linear denoiser and random noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from burnish.core.program import Program, Row
from burnish.program.clean import NO_SIGNAL, derived, measured
from burnish.program.draws import refusal
from burnish.program.guidance import guided
from burnish.program.schedule import Call, Schedule, noise_level, prepare, run
from burnish.program.verify import verify


def read_program(
    scheduler: Any,
    num_inference_steps: int,
    *,
    guidance_scale: float = 1.0,
    start: int = 0,
    arguments: Mapping[str, Any] | None = None,
) -> Program:
    """The table `scheduler` follows in `num_inference_steps` steps, every call guided by `guidance_scale`.

    `start` = k > 0 is image-to-image, from step k of the schedule on, as diffusers' img2img pipelines do at
    strength 1 - k / num_inference_steps. Arguments of `step` keep their defaults (DDIM eta 0, TCD eta 0.3).
    The scheduler itself is not touched. Raises ProgramError, with the reason, where no table expresses it.
    """
    schedule = prepare(scheduler, num_inference_steps, start, arguments)
    alpha, sigma = _beginning(schedule, start)
    calls = _basis_calls(schedule, sigma)
    levels = [noise_level(schedule, i) for i in range(len(calls))]
    name = schedule.name
    image = f", image-to-image from step {start}" if start else ""
    table = np.stack(
        [calls[0].state.flatten().numpy(), *(call.following.flatten().numpy() for call in calls)]
    )
    if not np.isfinite(table).all():
        raise refusal(name, "its step gives numbers that are not finite", NO_SIGNAL)
    clean = [measured(schedule, i, call) or derived(schedule, i, levels[i]) for i, call in enumerate(calls)]
    try:
        program = _program(
            schedule, calls, table, clean, alpha, f"{name}, {num_inference_steps} steps{image}"
        )
    except ValidationError:
        raise refusal(name, "its table has numbers beyond what a bundle may hold", NO_SIGNAL) from None
    verify(program, schedule, levels)
    return guided(program, guidance_scale)


def _program(
    schedule: Schedule,
    calls: list[Call],
    table: np.ndarray[Any, np.dtype[np.float64]],
    clean: list[tuple[float, float]],
    image_scale: float,
    source: str,
) -> Program:
    n = len(calls)
    drew = bool(np.any(table[:, 1 + n :]))
    return Program(
        timesteps=tuple(schedule.timesteps.tolist()),
        input_scale=tuple(_input_scale(call) for call in calls),
        guidance=(1.0,) * n,
        estimate=tuple(clean),
        rows=tuple(_row(table[i], i, n, drew) for i in range(n + 1)),
        image_scale=image_scale,
        source=source,
    )


def _beginning(schedule: Schedule, start: int) -> tuple[float, float]:
    """(image_scale, rows[0].start): pure noise, or the image noised as deep as the first call expects it."""
    if start == 0:
        return 0.0, float(getattr(schedule.scheduler, "init_noise_sigma", 1.0))
    level = noise_level(schedule, 0)
    if level is None or not all(map(math.isfinite, level)) or level[1] == 0.0:
        raise refusal(schedule.name, f"it cannot noise an image for step {start}", "Use start=0")
    return level


def _basis_calls(schedule: Schedule, sigma: float) -> list[Call]:
    n = len(schedule.timesteps)
    basis = torch.eye(1 + 2 * n, dtype=torch.float64).reshape(-1, 1, 1 + 2 * n, 1, 1)
    return list(run(schedule, sigma * basis[0], lambda i, _: basis[1 + i], lambda i: basis[1 + n + i]))


def _input_scale(call: Call) -> float:
    state, scaled = call.state.flatten(), call.scaled.to(torch.float64).flatten()
    return (scaled @ state / (state @ state)).item()


def _row(numbers: np.ndarray[Any, np.dtype[np.float64]], i: int, n: int, drew: bool) -> Row:
    noises = tuple(numbers[1 + n : 1 + n + i].tolist()) if drew else ()
    return Row(start=float(numbers[0]), outputs=tuple(numbers[1 : 1 + i].tolist()), noises=noises)
