"""What the denoiser is told beside the state: of each text or class once, whatever the number of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.bundle import TEXT, Bundle, Role, suffix
from burnish.core.program import Program
from burnish.runtime.graphs import Arrays, CompiledGraph
from burnish.runtime.text import PromptTokenizer

Graphs = Mapping[Role, CompiledGraph]
Key = str | int | None  # a prompt, a class, or nothing
STATES = ("condition", "pooled")  # what text encoders give together


@dataclass(frozen=True, kw_only=True)
class Told:
    """Wires of one pass: `steady` (pictures, ...) and `by_call` (calls, pictures, ...)."""

    steady: Arrays
    by_call: Arrays

    def at(self, i: int) -> Arrays:
        """All of them at call i."""
        return self.steady | {name: value[i] for name, value in self.by_call.items()}


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Runs the graphs that come before the denoiser, one text at a time: their shapes never change."""

    bundle: Bundle
    graphs: Graphs
    tokenizers: Sequence[PromptTokenizer]

    def told(self, program: Program, keys: Sequence[Key], size: tuple[int, int], *, silent: bool) -> Told:
        """What a pass is told of pictures of `size` (height, width) whose texts or classes are `keys`.

        `silent`: where the model asks for it, text states are zeros in place of those of an empty text.
        """
        timesteps = np.array(program.timesteps, dtype=np.float32)
        times = self.graphs["time_proj"]({"timestep": timesteps})
        once = self._modulated(times, {}, program.calls)
        said = {key: self._said(key, size, times, silent=silent) for key in dict.fromkeys(keys)}
        by_call = {
            name: np.stack([(said[key][1] | once)[name] for key in keys], axis=1)
            for name in next(iter(said.values()))[1] | once
        }
        steady = {
            name: np.concatenate([said[key][0][name] for key in keys])
            for name in next(iter(said.values()))[0]
        }
        return Told(steady=steady, by_call=by_call)

    def _said(self, key: Key, size: tuple[int, int], times: Arrays, *, silent: bool) -> tuple[Arrays, Arrays]:
        """The wires of one text (1, ...), and those that differ by call (calls, ...)."""
        wires = self._given(key, size)
        for role in TEXT:
            if role in self.graphs:
                wires |= self.graphs[role](wires)
            if role == "condition" and silent and self.bundle.model.empty_negative == "zeros":
                wires |= {name: np.zeros_like(wires[name]) for name in STATES if name in wires}
        calls = len(next(iter(times.values())))
        return wires, times | self._modulated(times, wires, calls)

    def _modulated(self, times: Arrays, wires: Arrays, calls: int) -> Arrays:
        """What `modulation` gives of all calls at once; nothing where it takes more than is there."""
        graph = self.graphs.get("modulation")
        if graph is None or (bool(wires) != bool(set(graph.graph.inputs) - times.keys())):
            return {}
        repeated = {
            name: np.repeat(wires[name], calls, axis=0) for name in graph.graph.inputs if name in wires
        }
        return graph(times | repeated)

    def _given(self, key: Key, size: tuple[int, int]) -> Arrays:
        """What a request says itself, each (1, ...)."""
        found: Arrays = {}
        if isinstance(key, str):
            for k, tokenizer in enumerate(self.tokenizers):
                ids, mask = tokenizer.ids([key])
                found |= {f"input_ids{suffix(k)}": ids, f"attention_mask{suffix(k)}": mask}
        elif key is not None:
            found["condition"] = np.array([key], dtype=np.int64)
        height, width = map(float, size)
        sizes = {
            "time_ids": [[height, width, 0.0, 0.0, height, width]],  # as large as asked for, not cropped
            "resolution": [[height, width]],
            "aspect_ratio": [[height / width]],
            "guidance": [self.bundle.plan.guidance_scale],
        }
        given = self.bundle.given()
        return found | {k: np.array(v, dtype=np.float32) for k, v in sizes.items() if k in given}
