"""Guidance weights of a Program, call by call.

Guiding only the middle of the trajectory costs fewer passes and often looks better (Kynkäänniemi et al. 2024,
"Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in Diffusion Models").
"""

from __future__ import annotations

import math

from burnish.core.errors import ProgramError
from burnish.core.program import Program


def guided(program: Program, guidance_scale: float, interval: tuple[float, float] = (0.0, 1.0)) -> Program:
    """The same program, guided by `guidance_scale` in each call i of N with low <= i/N < high, else by 1.

    `guidance_scale` is w in m = u + w (c - u), finite and at least 0; `interval` is (low, high) with
    0 <= low < high <= 1. Raises ProgramError outside these ranges.
    """
    low, high = interval
    if not (math.isfinite(guidance_scale) and guidance_scale >= 0.0):
        raise ProgramError(f"guidance_scale is {guidance_scale}", "Give a finite number, 0 or more")
    if not 0.0 <= low < high <= 1.0:
        raise ProgramError(
            f"The guidance interval {low:g} to {high:g} is not a part of the calls",
            "Give two fractions with 0 <= low < high <= 1",
        )
    n = program.calls
    weights = tuple(guidance_scale if low <= i / n < high else 1.0 for i in range(n))
    return program.model_copy(update={"guidance": weights})
