"""Tables with less in them: fewer calls, an early end, no guidance; whatever the solver."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row


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
    stands_for = np.searchsorted(kept, np.arange(program.calls), side="right") - 1
    rows = [_folded(program.rows[i], stands_for, k) for k, i in enumerate([*kept, program.calls])]
    return _of_calls(program, kept, rows, f"{calls} calls")


def stopped(program: Program, early: int) -> Program:
    """The program without its last `early` calls: what is decoded is the state that they would have finished.

    Raises ProgramError unless 1 <= early < program.calls.
    """
    if not 1 <= early < program.calls:
        raise ProgramError(f"{program.calls} calls cannot stop {early} early")
    left = program.calls - early
    return _of_calls(program, range(left), program.rows[: left + 1], f"stopped {early} early")


def unguided(program: Program) -> Program:
    """The program with the conditional pass alone in every call."""
    return program.model_copy(update={"guidance": (1.0,) * program.calls})


def _folded(row: Row, stands_for: np.ndarray, outputs: int) -> Row:
    """A row whose outputs are summed by the call that stands for each."""
    place = stands_for[: len(row.outputs)]
    summed = np.bincount(place, weights=row.outputs, minlength=outputs) if outputs else np.zeros(0)
    return Row(start=row.start, outputs=tuple(summed))


def _of_calls(program: Program, kept: Sequence[int], rows: Sequence[Row], how: str) -> Program:
    return Program(
        timesteps=tuple(program.timesteps[k] for k in kept),
        input_scale=tuple(program.input_scale[k] for k in kept),
        guidance=tuple(program.guidance[k] for k in kept),
        estimate=tuple(program.estimate[k] for k in kept),
        rows=tuple(rows),
        image_scale=program.image_scale,
        source=f"{program.source}, {how}",
    )
