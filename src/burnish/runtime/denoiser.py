"""The denoiser of a bundle, bound to what a request tells it. It knows no cache's name, only the table E."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from burnish.core.bundle import OUTPUT, PIECES, WHOLE, Role
from burnish.core.errors import BundleError
from burnish.core.program import Program
from burnish.runtime.graphs import Arrays
from burnish.runtime.told import Graphs, Told

Array = NDArray[np.float32]
Observe = Callable[[Role, Arrays], None]


class Denoiser:
    """m_i of a state, guided; keeps the deep features of the calls of one trajectory, in order."""

    def __init__(
        self, graphs: Graphs, program: Program, passes: Sequence[Told], observe: Observe | None = None
    ) -> None:
        """`passes` are conditional and, where the model knows one, unconditional."""
        self._graphs, self._program, self._observe = graphs, program, observe
        self._passes = passes
        self._deep: list[dict[int, Array]] = [{} for _ in passes]

    def __call__(self, i: int, scaled: Array, weight: float | None = None) -> Array:
        """U + w (c - u) of call i on input_scale[i] * x_i (n, c, h, w); w is the program's unless given.

        w = 1 is the conditional pass alone. Passes run side by side where the graphs have a stream for each,
        else one after the other: a graph of twice the batch would be compiled beside this one (decision 7).
        """
        w = self._program.guidance[i] if weight is None else weight
        guided = w != 1.0 and len(self._passes) > 1
        c, *u = self._outputs(i, scaled, range(2 if guided else 1))
        return u[0] + np.float32(w) * (c - u[0]) if u else c

    def passes(self, i: int, scaled: Array) -> tuple[Array, ...]:
        """What each pass gives, before guidance: conditional and, where there is one, unconditional."""
        return tuple(self._outputs(i, scaled, range(len(self._passes))))

    def _outputs(self, i: int, scaled: Array, which: range) -> list[Array]:
        runs: list[Arrays] = [self._passes[k].at(i) | {"sample": scaled} for k in which]
        cut = "deep" in self._graphs
        if cut:
            self._cut(i, runs)
        else:
            self._run(WHOLE, runs)
        for wires in runs:
            if wires[OUTPUT].shape != scaled.shape:
                what = f"{self._graphs['up' if cut else 'denoiser'].title} gives {wires[OUTPUT].shape}"
                raise BundleError(f"{what}, not {scaled.shape}", "Build it again")
        return [np.array(wires[OUTPUT], dtype=np.float32) for wires in runs]

    def _cut(self, i: int, runs: Sequence[Arrays]) -> None:
        down, deep, up = PIECES
        self._run((down,), runs)
        (name,) = self._graphs[deep].graph.outputs
        if self._program.fresh(i):
            self._run((deep,), runs)
            if self._program.deep:
                for kept, wires in zip(self._deep, runs, strict=False):
                    kept[i] = np.array(wires[name])
        else:
            for kept, wires in zip(self._deep, runs, strict=False):
                wires[name] = _combined(self._program.deep[i], kept, next(iter(self._deep[0].values())))
        self._run((up,), runs)

    def _run(self, roles: Sequence[Role], runs: Sequence[Arrays]) -> None:
        for role in roles:
            graph = self._graphs[role]
            if self._observe is not None:
                for wires in runs:
                    self._observe(role, {name: wires[name] for name in graph.graph.inputs})
            for wires, given in zip(runs, graph.together(runs), strict=True):
                wires |= given


def _combined(row: Sequence[float], kept: dict[int, Array], like: Array) -> Array:
    """sum_j E[i,j] d_j; zeros where the row is empty, so that the deep blocks are left out."""
    total = np.zeros_like(like)
    for j, coefficient in enumerate(row):
        if coefficient:
            total += np.float32(coefficient) * kept[j]
    return total
