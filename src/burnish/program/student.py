"""A table of few calls fitted row after row, the student running on the states that its own rows make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.program import Program, Row
from burnish.program.coarse import coarse
from burnish.program.least_squares import fit_row
from burnish.program.trajectories import (
    Array,
    Denoise,
    Single,
    Trajectories,
    call,
    combine,
    follow,
    relative,
)

Places = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a student is fitted to: trajectories, the denoiser that made them, its own guidance, call by call.

    Rows are fitted to the trajectories `which` that are `taught` (n,) and judged by those that are `held`.
    """

    trajectories: Trajectories
    denoise: Denoise
    guidance: tuple[float, ...]
    which: range
    taught: NDArray[np.bool_]
    held: NDArray[np.bool_]

    @cached_property
    def start(self) -> Single:
        """The initial noise of the trajectories `which`."""
        return self.trajectories.start[self.which.start : self.which.stop]

    @cached_property
    def end(self) -> Array:
        """Their endpoints."""
        return self.trajectories.state(self.trajectories.program.calls, self.which)

    def error(self, end: Array) -> float:
        """How far `end` is from the endpoints of those that are held, relative."""
        return relative(end[self.held], self.end[self.held])


@dataclass(frozen=True, kw_only=True)
class Run:
    """A table that ran: its calls among the teacher's, what they gave, its error, the calls that it took."""

    program: Program
    places: Places
    outputs: list[Single]
    error: float
    images: int  # denoiser calls x images


def learned_by(lesson: Lesson, places: Sequence[int], ridge: float, known: Sequence[Single] = ()) -> Run:
    """The student whose calls are `places` of the teacher's, each row fitted to the teacher's state there.

    `known` are the outputs of its first calls, where a student with the same first places and ridge has run.
    """
    teacher, outputs, rows = lesson.trajectories.program, list(known), list[Row]()
    program = coarse(teacher, places).model_copy(update={"guidance": lesson.guidance})
    for i, place in enumerate([*places, teacher.calls]):
        rows.append(_row(lesson, program.rows[i], outputs[:i], place, ridge))
        x = combine(rows[i], lesson.start, outputs[:i])
        if len(outputs) == i < len(places):
            outputs.append(call(program, i, x, lesson.denoise, lesson.which))
    return Run(
        program=program.model_copy(update={"rows": tuple(rows)}),
        places=tuple(places),
        outputs=outputs,
        error=lesson.error(x),
        images=(len(outputs) - len(known)) * len(lesson.start),
    )


def as_given(lesson: Lesson, program: Program) -> Run:
    """A table that is not fitted, run on the same noise, for comparison."""
    outputs = list(follow(program, lesson.start, lesson.denoise, lesson.which))
    error = lesson.error(combine(program.rows[-1], lesson.start, outputs))
    return Run(
        program=program, places=(), outputs=outputs, error=error, images=len(outputs) * len(lesson.start)
    )


def _row(lesson: Lesson, prior: Row, outputs: Sequence[Single], place: int, ridge: float) -> Row:
    if place == 0:
        return prior  # the start itself
    taught: list[NDArray[Any]] = [a[lesson.taught].ravel() for a in (lesson.start, *outputs)]
    target = lesson.trajectories.state(place, lesson.which)[lesson.taught].ravel()
    numbers = fit_row(
        np.stack(taught).astype(np.float64), target, np.array([prior.start, *prior.outputs]), ridge
    )
    return Row(start=float(numbers[0]), outputs=tuple(numbers[1:].tolist()))
