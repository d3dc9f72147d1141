"""Inputs for quantization, recorded while the fp32 graphs run the final program's own trajectories."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.build.exact import exact_pipeline
from burnish.core.bundle import PIECES, WHOLE, Role
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.core.values import Part
from burnish.runtime import Pipeline, Request

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

SAMPLES = 128
MOST_BYTES = 1 << 30  # of the samples of one graph
TRAJECTORIES = 12
SEED = 2**40  # far from the seeds that people and suites use
PROMPTS = (
    "a red apple",
    "portrait of an old woman",
    "a house by the sea",
    "a cat",
    "a blue car",
    "sunset over hills",
    "a plate of food",
    "a robot",
    "a tree in snow",
    "a man with a hat",
    "a city street at night",
    "an abstract shape",
)


Samples = Mapping[Role, Sequence[dict[str, Any]]]


class Conditions(Part):
    """What calibration trajectories are asked for; the defaults serve a model without a suite."""

    prompts: tuple[str, ...] = PROMPTS


@dataclass(frozen=True)
class Calibration:
    """Inputs of graphs, recorded when they are first asked for, and a name for all that they depend on."""

    name: str
    samples: Callable[[], Samples]


def calibration(store: GraphStore, plan: Plan, program: Program, conditions: Conditions) -> Calibration:
    """On what int8 and 4 bits are calibrated under a plan with this table."""
    name = json.dumps([plan.cut, plan.token_merging, program.model_dump_json(), conditions.model_dump_json()])
    return Calibration(name, cache(lambda: record(store, plan, program, conditions)))


def record(store: GraphStore, plan: Plan, program: Program, conditions: Conditions) -> Samples:
    """Single inputs (batch 1) of the denoiser's pieces and of the decoder, as the final program meets them.

    Those of the denoiser are spread evenly over prompts, calls, and guided and unguided passes; with deep
    features kept from earlier calls where the program keeps them, and tokens merged where the plan merges
    them. Where there is no decoder nothing reads its own.
    """
    whole, fresh = program.passes, program.fresh_passes
    seen = {role: _Recorder(fresh if role == "deep" else whole) for role in (*WHOLE, *PIECES)}
    with exact_pipeline(store, plan, plan.token_merging) as exact:
        pipeline = exact.observed(lambda role, inputs: seen[role].see(inputs)).with_program(program)
        latents = pipeline.latents(request_for(pipeline, conditions, program))
        ends = [{"sample": one[None]} for one in pipeline.decoder_input(latents)]
    return {role: recorder.kept for role, recorder in seen.items() if recorder.kept} | {"decoder": ends}


class _Recorder:
    """Keeps SAMPLES of what one graph is given in `passes` batches; fewer where they are large."""

    def __init__(self, passes: int) -> None:
        self.kept: list[dict[str, Any]] = []
        self._total, self._place = passes * TRAJECTORIES, 0
        self._wanted: set[int] = set()

    def see(self, inputs: dict[str, Any]) -> None:
        count = len(inputs["sample"] if "sample" in inputs else next(iter(inputs.values())))
        if self._place == 0:
            one = sum(value.nbytes for value in inputs.values()) / count
            number = min(SAMPLES, self._total, max(int(MOST_BYTES / one), 1))
            self._wanted = set(np.linspace(0, self._total - 1, number).round().astype(int).tolist())
        for k in range(count):
            if self._place + k in self._wanted:
                self.kept.append({name: np.array(value[k : k + 1]) for name, value in inputs.items()})
        self._place += count


def request_for(pipeline: Pipeline, conditions: Conditions, program: Program) -> Request:
    """A batch of trajectories over the conditions, or over classes spread evenly, or over seeds alone."""
    card = pipeline.bundle.model
    seeds = tuple(SEED + k for k in range(TRAJECTORIES))
    if card.reads_text:
        chosen: Sequence[str] = conditions.prompts or PROMPTS
        return Request(seeds=seeds, prompts=tuple(chosen[k % len(chosen)] for k in range(TRAJECTORIES)))
    if card.classes:
        labels = np.linspace(0, card.classes - 1, TRAJECTORIES).astype(int)
        return Request(seeds=seeds, class_labels=tuple(int(k) for k in labels))
    return Request(seeds=seeds)
