"""Many-call trajectories: what a table of few calls is fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row
from burnish.core.progress import Report as Report

Array = NDArray[np.float64]
Single = NDArray[np.float32]
# denoise(timestep, scaled states, guidance weight, which trajectories they are) -> outputs after guidance
Denoise = Callable[[float, Single, float, range], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Trajectories:
    """n trajectories of one table: unit noise `start` (n, ...) and `outputs` (calls, n, ...), both float32.

    States are not held: the table makes them of these. Raises ProgramError for a table that is no teacher
    (`require_teacher`), for other shapes, and for numbers that are not finite.
    """

    program: Program
    start: Single
    outputs: Single

    def __post_init__(self) -> None:
        require_teacher(self.program)
        if self.outputs.shape != (self.program.calls, *self.start.shape) or not len(self.start):
            shapes = f"{self.outputs.shape} for noise {self.start.shape} and {self.program.calls} calls"
            raise ProgramError(f"The outputs are {shapes}", "Follow the table again")
        if not (np.isfinite(self.start).all() and np.isfinite(self.outputs).all()):
            raise ProgramError("The trajectories hold numbers that are not finite", "Use the model in fp32")

    def state(self, i: int, which: range) -> Array:
        """x_i of the trajectories `which`, summed in float64; i = calls is the endpoint."""
        part = slice(which.start, which.stop)
        return combine(self.program.rows[i], self.start[part], self.outputs[:i, part])


def require_teacher(program: Program) -> None:
    """Raises ProgramError for a table whose states are no function of timestep and initial noise alone."""
    if program.stochastic:
        raise ProgramError("A table that draws fresh noise has no trajectory to fit to", "Use DDIM")
    if program.image_scale:
        raise ProgramError("A table that starts from a picture is not fitted", "Use the one from noise")
    falls = all(now > then for now, then in zip(program.timesteps, program.timesteps[1:], strict=False))
    if not falls:
        raise ProgramError("The timesteps of the table do not fall with every call", "Use DDIM")


def combine(row: Row, start: NDArray[Any], outputs: Sequence[NDArray[Any]] | NDArray[Any]) -> Array:
    """The state of a row of a table without fresh noise, summed in float64."""
    x: Array = row.start * start.astype(np.float64)
    for coefficient, output in zip(row.outputs, outputs, strict=True):
        if coefficient:
            x += coefficient * output
    return x


def follow(program: Program, start: Single, denoise: Denoise, which: range) -> Single:
    """The outputs (calls, n, ...) of `program` from unit noise `start`, which are the trajectories `which`.

    Raises ProgramError for a table with fresh noise or a picture, and where an output is not finite.
    """
    if program.stochastic or program.image_scale:
        raise ProgramError("Only a table from noise, without fresh noise, can be followed", "Use DDIM")
    outputs: list[Single] = []
    for i in range(program.calls):
        outputs.append(call(program, i, combine(program.rows[i], start, outputs), denoise, which))
    return np.stack(outputs)


def call(program: Program, i: int, state: Array, denoise: Denoise, which: range) -> Single:
    """What call i of `program` gives for a state; raises ProgramError where it is not finite."""
    scaled = (program.input_scale[i] * state).astype(np.float32)
    output = np.asarray(denoise(program.timesteps[i], scaled, program.guidance[i], which), dtype=np.float32)
    if output.shape != state.shape or not np.isfinite(output).all():
        problem = f"Call {i} gave {output.shape} for {state.shape}, or numbers that are not finite"
        raise ProgramError(problem, "Use the model in fp32")
    return output


def relative(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Root mean square of the difference over that of `theirs`."""
    return float(np.sqrt(np.mean(np.square(ours - theirs)) / np.mean(np.square(theirs))))
