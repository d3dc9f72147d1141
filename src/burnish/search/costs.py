"""What a plan costs, from measured graph times: latency is calls x seconds, so speed is never searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.model import ModelCard
from burnish.core.plan import Precision
from burnish.core.program import Program
from burnish.measure.cost import measure_cost
from burnish.runtime import Pipeline

TURNS = 7
REPEATS = 3  # of each graph in a turn


@dataclass(frozen=True, kw_only=True)
class GraphSeconds:
    """Median seconds of one run of each graph of a bundle, for one picture."""

    denoiser: float  # one pass
    other: float  # text encoder and decoder

    def latency_s(self, program: Program) -> float:
        """Seconds one picture takes under `program`."""
        return self.other + program.passes * self.denoiser


def graph_seconds(benches: Mapping[Precision, Pipeline]) -> dict[Precision, GraphSeconds]:
    """Times the graphs of open bundles one by one.

    The bundles take turns, so that other work on the machine slows all of them alike: what they are to each
    other decides which precision is worth trying.
    """
    turns = [{precision: _turn(bench) for precision, bench in benches.items()} for _ in range(TURNS)]
    return {
        precision: GraphSeconds(
            denoiser=median(turn[precision].denoiser for turn in turns),
            other=median(turn[precision].other for turn in turns),
        )
        for precision in benches
    }


def _turn(pipeline: Pipeline) -> GraphSeconds:
    card, graphs = pipeline.bundle.model, pipeline.graphs
    latents = np.zeros((1, *card.latent_shape), dtype=np.float32)

    def seconds(role: Any, **inputs: NDArray[Any]) -> float:
        return measure_cost(lambda: graphs[role](**inputs), REPEATS).latency_s

    other = seconds("decoder", sample=latents) if "decoder" in graphs else 0.0
    condition = _condition(pipeline)
    if "text_encoder" in graphs:
        other += 2 * seconds("text_encoder", input_ids=np.zeros((1, card.max_tokens), dtype=np.int64))
    time_proj = graphs["time_proj"](timestep=np.full(1, 500.0, dtype=np.float32))
    inputs: dict[str, NDArray[Any]] = {"sample": latents, "time_proj": time_proj}
    if condition is not None:
        inputs["condition"] = condition
    return GraphSeconds(denoiser=seconds("denoiser", **inputs), other=other)


def _condition(pipeline: Pipeline) -> NDArray[Any] | None:
    card: ModelCard = pipeline.bundle.model
    if card.family == "stable-diffusion":
        shape = next(g.output_shape for g in pipeline.bundle.graphs if g.role == "text_encoder")
        return np.zeros((1, *shape), dtype=np.float32)
    return np.zeros(1, dtype=np.int64) if card.family == "class-conditional" else None
