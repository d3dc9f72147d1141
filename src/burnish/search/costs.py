"""What a plan costs, from measured graph times: latency is calls x seconds, so speed is never searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from burnish.core.bundle import BEFORE, IDS, PIECES, WHOLE, Role, suffix, text_lengths
from burnish.core.program import Program
from burnish.measure.cost import measure_cost
from burnish.runtime import Pipeline

Key = TypeVar("Key")
TURNS = 7
REPEATS = 3  # of each graph in a turn
CALLS: tuple[Role, ...] = ("time_proj", "modulation")  # of those before the denoiser, run once a call
GIVEN_SHAPES: dict[str, tuple[int, ...]] = {
    "condition": (),  # a class, where no text gives states of that name
    "time_ids": (6,),
    "resolution": (2,),
    "aspect_ratio": (1,),
    "guidance": (),
}


@dataclass(frozen=True, kw_only=True)
class GraphSeconds:
    """Median seconds of one run of each graph of a bundle, for one picture."""

    of: Mapping[Role, float]

    @property
    def denoiser(self) -> float:
        """One pass of the whole denoiser."""
        return sum(self.of.get(role, 0.0) for role in (*WHOLE, *PIECES))

    def scaled(self, share: float) -> GraphSeconds:
        """All of them times `share`."""
        return replace(self, of={role: seconds * share for role, seconds in self.of.items()})

    def latency_s(self, program: Program) -> float:
        """Seconds one picture takes under `program`; a guided picture reads two texts."""
        texts = 2 if program.passes > program.calls else 1
        often: dict[Role, int] = dict.fromkeys(BEFORE, texts)
        often |= dict.fromkeys(CALLS, texts * program.calls)
        often |= dict.fromkeys((*WHOLE, *PIECES), program.passes)
        often |= {"deep": program.fresh_passes, "decoder": 1, "image_encoder": 0}
        return sum(often[role] * seconds for role, seconds in self.of.items())


def graph_seconds(benches: Mapping[Key, Pipeline]) -> dict[Key, GraphSeconds]:
    """Times the graphs of open bundles one by one; of passes side by side, each one's share of the time.

    The bundles take turns, so that other work on the machine slows all of them alike: what they are to each
    other decides which precision is worth trying.
    """
    inputs = {key: _inputs(bench) for key, bench in benches.items()}
    turns = [{key: _turn(bench, inputs[key]) for key, bench in benches.items()} for _ in range(TURNS)]
    return {
        key: GraphSeconds(of={role: median(turn[key][role] for turn in turns) for role in inputs[key]})
        for key in benches
    }


Inputs = dict[Role, dict[str, NDArray[Any]]]


def _inputs(pipeline: Pipeline) -> Inputs:
    """Zeros for every graph, as one picture of the model's own size would have them."""
    bundle, card = pipeline.bundle, pipeline.bundle.model
    shapes: dict[str, tuple[int, ...]] = {"sample": card.latent_shape, "timestep": (), **GIVEN_SHAPES}
    for k, length in enumerate(text_lengths(card)):
        shapes |= {f"{name}{suffix(k)}": (length,) for name in IDS}
    shapes |= {wire: shape for graph in bundle.graphs for wire, shape in graph.outputs.items()}
    found: Inputs = {}
    for graph in bundle.graphs:
        own = shapes | ({"sample": card.image_shape} if graph.role == "image_encoder" else {})
        found[graph.role] = {
            name: np.zeros((1, *own[name]), dtype=np.int64 if _whole(name, own[name]) else np.float32)
            for name in graph.inputs
        }
    return found


def _whole(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a wire is of whole numbers: token ids, their mask, a class."""
    return name.startswith(IDS) or (name == "condition" and shape == ())


def _turn(pipeline: Pipeline, inputs: Inputs) -> dict[Role, float]:
    graphs, found = pipeline.graphs, dict[Role, float]()
    for role, wires in inputs.items():
        runs = [wires] * (pipeline.streams if role in (*WHOLE, *PIECES) else 1)
        found[role] = measure_cost(partial(graphs[role].together, runs), REPEATS).latency_s / len(runs)
    return found
