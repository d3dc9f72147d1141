"""Compiles a bundle's graphs, once for each batch and picture size that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from burnish.core.bundle import BEFORE, Graph
from burnish.core.errors import BundleError
from burnish.core.plan import Precision
from burnish.runtime.compiled import Compiled, compiled

# What the layers that are not int8 run in. The plugin would choose bf16 unasked (its default mode
# prefers speed), so fp32 has to be said.
INFERENCE_PRECISION: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, ...]


class CompiledGraph:
    """One graph of a bundle. Shapes are static: each new set of input shapes is compiled and kept."""

    def __init__(
        self, core: ov.Core, path: Path, graph: Graph, *, identity: str = "", threads: int = 0
    ) -> None:
        """`identity` is the `identity_of` the file at `path`; without it nothing is kept for next time."""
        self.graph = graph
        self.title = f"{graph.role} of {path.parent}"
        self._core, self._path, self._identity = core, path, identity
        self._compiled: dict[tuple[Shape, ...], tuple[Any, Compiled]] = {}
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": INFERENCE_PRECISION[graph.precision],
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }

    def prepare(self, *shapes: Shape) -> Any:
        """The compiled graph for these input shapes, in order; compiled now where it is not there yet.

        Raises BundleError where it cannot be.
        """
        if shapes not in self._compiled:
            named = dict(zip(self.graph.inputs, shapes, strict=True))
            with self._said():
                found = compiled(self._core, self._path, named, self._options, self._identity)
                self._compiled[shapes] = found.model.create_infer_request(), found
        return self._compiled[shapes][0]

    def lent(self, wires: Mapping[str, NDArray[Any]]) -> Arrays:
        """What the graph gives, by name, of the wires that it takes; the next run writes over it.

        Raises BundleError where the graph cannot be compiled for them, fails on them or gives something else.
        """
        taken = [np.ascontiguousarray(wires[name]) for name in self.graph.inputs]
        request = self.prepare(*(array.shape for array in taken))
        with self._said():
            for name, array in zip(self.graph.inputs, taken, strict=True):
                request.set_tensor(name, ov.Tensor(array, shared_memory=True))
            request.infer()
            given = {name: request.get_tensor(name).data for name in self.graph.outputs}
        if self.graph.role in BEFORE:  # the others depend on the picture's size
            self._require_shapes(given, len(taken[0]))
        return given

    def __call__(self, wires: Mapping[str, NDArray[Any]]) -> Arrays:
        """As `lent`, in arrays of the caller's own."""
        return {name: np.array(value, dtype=np.float32) for name, value in self.lent(wires).items()}

    def _require_shapes(self, given: Arrays, count: int) -> None:
        for name, expected in self.graph.outputs.items():
            if given[name].shape != (count, *expected):
                what = f"{self.title} gives {name} of {given[name].shape}"
                raise BundleError(f"{what}, not {(count, *expected)}", "Build it again")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """OpenVINO's errors are of many lines and name its sources; here one says which file."""
        try:
            yield
        except (KeyError, RuntimeError) as error:
            raise BundleError(f"{self._path} cannot be run on its inputs", "Build it again") from error
