"""Tables with less in them: fewer calls, an early end, no guidance; whatever the solver."""

from __future__ import annotations

import numpy as np

from burnish.core.errors import ProgramError
from burnish.core.program import Program
from burnish.program.coarse import coarse


def fewer_calls(program: Program, calls: int) -> Program:
    """The program with `calls` of its calls, spread evenly, each output standing for those left out after it.

    For DDIM that is DDIM with so many calls, since its step is exact while the output stays the same (Song et
    al., "Denoising diffusion implicit models", ICLR 2021, equation 14); for multistep solvers it is near. The
    first call stays. Raises ProgramError unless 1 <= calls <= program.calls, and where fresh noise is drawn.
    """
    if not 1 <= calls <= program.calls:
        raise ProgramError(f"{calls} of {program.calls} calls cannot be kept")
    if program.stochastic:
        raise ProgramError("calls cannot be left out of a table that draws fresh noise")
    kept = sorted({int(k) for k in np.linspace(0, program.calls, calls, endpoint=False)})
    return coarse(program, kept)


def stopped(program: Program, early: int) -> Program:
    """The program without its last `early` calls: what is decoded is the state that they would have finished.

    Raises ProgramError unless 1 <= early < program.calls.
    """
    if not 1 <= early < program.calls:
        raise ProgramError(f"{program.calls} calls cannot stop {early} early")
    left = program.calls - early
    shorter = {
        name: getattr(program, name)[:left]
        for name in ("timesteps", "input_scale", "guidance", "estimate", "deep")
    }
    source = f"{program.source}, stopped {early} early"
    return program.model_copy(update={**shorter, "rows": program.rows[: left + 1], "source": source})


def unguided(program: Program) -> Program:
    """The program with the conditional pass alone in every call."""
    return program.model_copy(update={"guidance": (1.0,) * program.calls})
