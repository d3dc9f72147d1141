"""How near a plan comes before anything is judged: where its latents end, on a few prompts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from burnish.build import plan_program
from burnish.core.errors import NotFiniteError, PromptCutWarning
from burnish.core.evidence import Suite
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.load import OpenedModel
from burnish.measure.draw import request_for
from burnish.program.trajectories import relative
from burnish.runtime import Pipeline, Request

Latents = NDArray[np.float32]
PICTURES = 8
DIGITS = 4  # that errors are told to, so that other threads and machines say the same


class Task(NamedTuple):
    """One table to be run on one bench, and where its latents (n, c, h, w) should end."""

    bench: Pipeline
    program: Program
    request: Request
    end: Latents


Crew = Callable[[Sequence[Task]], list[float]]  # runs tasks, in any order, and gives their errors in theirs


def error_of(task: Task) -> float:
    """The distance over the length, root mean squares over all pictures; infinite where it is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptCutWarning)  # both are cut alike
        try:
            found = relative(task.bench.with_program(task.program).latents(task.request), task.end)
        except NotFiniteError:
            return math.inf
    return float(f"{found:.{DIGITS}g}") if math.isfinite(found) else math.inf


def alone(tasks: Sequence[Task]) -> list[float]:
    """A crew of this process."""
    return [error_of(task) for task in tasks]


@dataclass
class Proxy:
    """The original's ends for a few selection prompts, drawn once for each strength of guidance.

    A plan of weaker guidance means another picture: how well it solves is asked of the original with as much.
    Whether that picture will do is for the gate.
    """

    model: OpenedModel
    reference: Plan
    original: Pipeline
    suite: Suite
    _ends: dict[float, Latents] = field(default_factory=dict)

    @property
    def request(self) -> Request:
        """Selection prompts spread evenly, a picture each."""
        prompts = self.suite.selection
        chosen = [
            prompts[k] for k in np.linspace(0, len(prompts) - 1, min(PICTURES, len(prompts))).astype(int)
        ]
        return request_for(self.model.card, chosen, self.suite.seeds[:1])

    @property
    def first(self) -> Request:
        """The first of those pictures alone."""
        whole = self.request
        labels = whole.class_labels[:1]
        return Request(seeds=whole.seeds[:1], prompts=whole.prompts[:1], class_labels=labels)

    def task(self, bench: Pipeline, plan: Plan, program: Program) -> Task:
        """What a crew runs to know a plan's error."""
        return Task(bench, program, self.request, self._end(plan.guidance_scale))

    def _end(self, scale: float) -> Latents:
        if scale not in self._ends:
            plan = self.reference.model_copy(update={"guidance_scale": scale})
            self._ends[scale] = self.original.with_program(plan_program(self.model, plan)).latents(
                self.request
            )
        return self._ends[scale]
