"""What the denoiser is told beside the state: of each text or class once, whatever the number of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.bundle import PIECES, TEXT, WHOLE, Bundle, Role, suffix
from burnish.core.program import Program
from burnish.runtime.graphs import Arrays, CompiledGraph
from burnish.runtime.text import PromptTokenizer

Graphs = Mapping[Role, CompiledGraph]
Key = str | int | None  # a prompt, a class, or nothing
STATES = ("condition", "pooled")  # what text encoders give together


@dataclass(frozen=True, kw_only=True)
class Told:
    """Wires of one pass: `steady` (pictures, ...), `shared` (calls, ...) by all pictures, and `by_key`
    (calls, ...) for each text or class, of which picture k has number `which[k]`.
    """

    steady: Arrays
    shared: Arrays
    by_key: Sequence[Arrays]
    which: Sequence[int]

    def at(self, i: int) -> Arrays:
        """All of them at call i, (pictures, ...)."""
        found = dict(self.steady)
        for name, value in self.shared.items():
            found[name] = _same(value[i : i + 1], len(self.which))
        for name in self.by_key[0]:
            each = [self.by_key[k][name][i : i + 1] for k in self.which]
            found[name] = each[0] if len(each) == 1 else np.concatenate(each)
        return found


def _same(value: NDArray[Any], count: int) -> NDArray[Any]:
    return value if count == 1 else np.repeat(value, count, axis=0)


@dataclass(frozen=True, kw_only=True)
class Teller:
    """Runs the graphs that come before the denoiser, one text and one call at a time: their shapes never
    change, so each is compiled once.
    """

    bundle: Bundle
    graphs: Graphs
    tokenizers: Sequence[PromptTokenizer]

    def told(self, program: Program, keys: Sequence[Key], size: tuple[int, int], *, silent: bool) -> Told:
        """What a pass is told of pictures of `size` (height, width) whose texts or classes are `keys`.

        `silent`: where the model asks for it, text states are zeros in place of those of an empty text.
        """
        timesteps = np.array(program.timesteps, dtype=np.float32)
        times = _each(self.graphs["time_proj"], {"timestep": timesteps}, {})
        modulation = self.graphs.get("modulation")
        of_text = modulation is not None and set(modulation.graph.inputs) - times.keys()
        shared = times | (_each(modulation, times, {}) if modulation and not of_text else {})
        distinct = list(dict.fromkeys(keys))
        said = [self._said(key, size, silent=silent) for key in distinct]
        by_key = [_each(modulation, times, wires) if modulation and of_text else {} for wires in said]
        which = [distinct.index(key) for key in keys]
        taken = {wire for role in (*WHOLE, *PIECES) if role in self.graphs for wire in self._inputs(role)}
        return Told(
            steady={n: np.concatenate([said[k][n] for k in which]) for n in said[0] if n in taken},
            shared={name: value for name, value in shared.items() if name in taken},
            by_key=by_key,
            which=which,
        )

    def _inputs(self, role: Role) -> Sequence[str]:
        return self.graphs[role].graph.inputs

    def _said(self, key: Key, size: tuple[int, int], *, silent: bool) -> Arrays:
        """The wires (1, ...) that one text or class decides."""
        wires = self._given(key, size)
        for role in TEXT:
            if role in self.graphs:
                wires |= self.graphs[role](wires)
            if role == "condition" and silent and self.bundle.model.empty_negative == "zeros":
                wires |= {name: np.zeros_like(wires[name]) for name in STATES if name in wires}
        return wires

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


def _each(graph: CompiledGraph, by_call: Arrays, wires: Arrays) -> Arrays:
    """What a graph gives of each call's own wires (calls, ...) and of `wires` (1, ...): (calls, ...)."""
    calls = len(next(iter(by_call.values())))
    found = [graph(wires | {name: value[i : i + 1] for name, value in by_call.items()}) for i in range(calls)]
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}
