"""Compiles a bundle's graphs, once for each batch and picture size that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
Wires = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]


class _Bound:
    """One inference request with the arrays it was given: those that stay the same are handed over once."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._given: dict[str, NDArray[Any]] = {}

    def start(self, names: Sequence[str], wires: Mapping[str, NDArray[Any]]) -> None:
        for name in names:
            if self._given.get(name) is not wires[name]:
                self._given[name] = np.ascontiguousarray(wires[name])
                self._request.set_tensor(name, ov.Tensor(self._given[name], shared_memory=True))
        self._request.start_async()

    def wait(self) -> None:
        self._request.wait()

    def outputs(self, names: Iterable[str]) -> Arrays:
        return {name: self._request.get_tensor(name).data for name in names}


class CompiledGraph:
    """One graph of a bundle. Shapes are static: each new set of input shapes is compiled and kept."""

    def __init__(
        self,
        core: ov.Core,
        path: Path,
        graph: Graph,
        *,
        identity: str = "",
        threads: int = 0,
        streams: int = 1,
    ) -> None:
        """`identity` is the `identity_of` the file at `path`; without it nothing is kept for next time.

        With `streams` above 1 as many runs go side by side, each on its share of the threads.
        """
        self.graph = graph
        self.title = f"{graph.role} of {path.parent}"
        self._core, self._path, self._identity = core, path, identity
        self._compiled: dict[tuple[Shape, ...], tuple[Compiled, list[_Bound]]] = {}
        self._options: dict[str, Any] = {
            **({"NUM_STREAMS": streams} if streams > 1 else {"PERFORMANCE_HINT": "LATENCY"}),
            "INFERENCE_PRECISION_HINT": INFERENCE_PRECISION[graph.precision],
            # Unasked, the plugin rounds what weights in 8 bits are multiplied with, in fp32 too.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }

    def prepare(self, *shapes: Shape, runs: int = 1) -> Sequence[_Bound]:
        """Requests for `runs` runs of these input shapes, in order; compiled now where it is not there yet.

        Raises BundleError where it cannot be.
        """
        if shapes not in self._compiled:
            named = dict(zip(self.graph.inputs, shapes, strict=True))
            with self._said():
                found = compiled(self._core, self._path, named, self._options, self._identity)
                self._compiled[shapes] = found, []
        found, bound = self._compiled[shapes]
        bound += [_Bound(found.model.create_infer_request()) for _ in range(len(bound), runs)]
        return bound[:runs]

    def together(self, runs: Sequence[Wires]) -> list[Arrays]:
        """What the graph gives, by name, of the wires of each run, all of the same shapes.

        Run k of the next call writes over what run k gave. Raises BundleError where the graph cannot be
        compiled for them, fails on them or gives something else.
        """
        names, count = self.graph.inputs, len(runs[0][self.graph.inputs[0]])
        bound = self.prepare(*(runs[0][name].shape for name in names), runs=len(runs))
        with self._said():
            try:
                for request, wires in zip(bound, runs, strict=True):
                    request.start(names, wires)
            finally:
                for request in bound:
                    request.wait()
            given = [request.outputs(self.graph.outputs) for request in bound]
        if self.graph.role in BEFORE:  # the others depend on the picture's size
            self._require_shapes(given[0], count)
        return given

    def lent(self, wires: Wires) -> Arrays:
        """What the graph gives, by name, of the wires that it takes; the next run writes over it."""
        return self.together([wires])[0]

    def __call__(self, wires: Wires) -> Arrays:
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
