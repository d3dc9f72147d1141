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

        w = 1 is the conditional pass alone. Passes run one after the other: a graph of twice the batch would
        be compiled beside this one (decision 7).
        """
        w = self._program.guidance[i] if weight is None else weight
        c = self._pass(0, i, scaled)
        if w == 1.0 or len(self._passes) == 1:
            return c
        u = self._pass(1, i, scaled)
        return u + np.float32(w) * (c - u)

    def passes(self, i: int, scaled: Array) -> tuple[Array, ...]:
        """What each pass gives, before guidance: conditional and, where there is one, unconditional."""
        return tuple(self._pass(k, i, scaled) for k in range(len(self._passes)))

    def _pass(self, k: int, i: int, scaled: Array) -> Array:
        wires: Arrays = self._passes[k].at(i) | {"sample": scaled}
        cut = "deep" in self._graphs
        out = self._cut(self._deep[k], i, wires) if cut else self._run(WHOLE, wires)[OUTPUT]
        if out.shape != scaled.shape:
            title = self._graphs["up" if cut else "denoiser"].title
            raise BundleError(f"{title} gives {out.shape}, not {scaled.shape}", "Build it again")
        return np.array(out, dtype=np.float32)

    def _cut(self, kept: dict[int, Array], i: int, wires: Arrays) -> Array:
        down, deep, up = PIECES
        self._run((down,), wires)
        (name,) = self._graphs[deep].graph.outputs
        if self._program.fresh(i):
            self._run((deep,), wires)
            if self._program.deep:
                kept[i] = np.array(wires[name])
        else:
            wires[name] = _combined(self._program.deep[i], kept, next(iter(self._deep[0].values())))
        return self._run((up,), wires)[OUTPUT]

    def _run(self, roles: Sequence[Role], wires: Arrays) -> Arrays:
        for role in roles:
            graph = self._graphs[role]
            if self._observe is not None:
                self._observe(role, {name: wires[name] for name in graph.graph.inputs})
            wires |= graph.lent(wires)
        return wires


def _combined(row: Sequence[float], kept: dict[int, Array], like: Array) -> Array:
    """sum_j E[i,j] d_j; zeros where the row is empty, so that the deep blocks are left out."""
    total = np.zeros_like(like)
    for j, coefficient in enumerate(row):
        if coefficient:
            total += np.float32(coefficient) * kept[j]
    return total
