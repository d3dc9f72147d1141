"""Inputs for quantization, recorded while the fp32 graphs run the final program's own trajectories."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.core.errors import PromptCutWarning
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.core.values import Part
from burnish.runtime import Pipeline, Request

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

SAMPLES = 128
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


class Conditions(Part):
    """What calibration trajectories are asked for; the defaults serve a model without a suite."""

    prompts: tuple[str, ...] = PROMPTS


def record(store: GraphStore, plan: Plan, program: Program, conditions: Conditions) -> list[dict[str, Any]]:
    """Single denoiser inputs (batch 1), spread evenly over prompts, calls, and guided and unguided passes."""
    from burnish.build.assemble import build

    seen: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "fp32"
        build(store, plan.model_copy(update={"precision": "fp32"}), plain)
        pipeline = Pipeline(plain, verify=False, observe=seen.append)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptCutWarning)  # ranges are what matters here, not words
            pipeline.generate(request_for(pipeline, conditions, program))
    singles = [
        {name: value[k : k + 1] for name, value in batch.items()}
        for batch in seen
        for k in range(len(batch["sample"]))
    ]
    keep = np.linspace(0, len(singles) - 1, min(SAMPLES, len(singles))).round().astype(int)
    return [singles[k] for k in keep]


def request_for(pipeline: Pipeline, conditions: Conditions, program: Program) -> Request:
    """A batch of trajectories over the conditions, or over classes spread evenly, or over seeds alone."""
    card = pipeline.bundle.model
    seeds = tuple(SEED + k for k in range(TRAJECTORIES))
    if card.family == "stable-diffusion":
        chosen: Sequence[str] = conditions.prompts or PROMPTS
        return Request(seeds=seeds, prompts=tuple(chosen[k % len(chosen)] for k in range(TRAJECTORIES)))
    if card.family == "class-conditional":
        labels = np.linspace(0, card.classes - 1, TRAJECTORIES).astype(int)
        return Request(seeds=seeds, class_labels=tuple(int(k) for k in labels))
    return Request(seeds=seeds)
