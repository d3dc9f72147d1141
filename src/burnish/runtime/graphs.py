"""Compiles a bundle's graphs, once for each batch and picture size that is asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from burnish.core.bundle import Graph
from burnish.core.files import cache_directory
from burnish.core.plan import Precision

# What the layers that are not int8 run in. The plugin would choose bf16 unasked (its default mode
# prefers speed), so fp32 has to be said.
INFERENCE_PRECISION: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, ...]


def cache_options(hint: str) -> dict[str, str]:
    """Where compiled graphs are kept between processes: nowhere, where nothing can be written.

    The plugin's cache does not tell precisions apart, and what it kept for f32 computes garbage in bf16, so
    each has a folder.
    """
    directory = cache_directory() / "compiled" / hint
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    return {"CACHE_DIR": str(directory)} if os.access(directory, os.W_OK) else {}


class CompiledGraph:
    """One graph of a bundle. Shapes are static: each new set of input shapes is compiled and kept."""

    def __init__(self, core: ov.Core, path: Path, graph: Graph, threads: int = 0) -> None:
        self.graph = graph
        self._core, self._path = core, path
        self._compiled: dict[tuple[Shape, ...], Any] = {}
        hint = INFERENCE_PRECISION[graph.precision]
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": hint,
            **cache_options(hint),
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }

    def prepare(self, *shapes: Shape) -> Any:
        """The compiled graph for these input shapes, in order; compiled now where it is not there yet."""
        if shapes not in self._compiled:
            model = self._core.read_model(self._path)
            model.reshape(dict(zip(self.graph.inputs, map(list, shapes), strict=True)))
            compiled = self._core.compile_model(model, "CPU", self._options)
            self._compiled[shapes] = compiled.create_infer_request()
        return self._compiled[shapes]

    def __call__(self, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """The graph's only output. Inputs by name, batch first; the result is a copy of its own."""
        ordered = {name: np.ascontiguousarray(inputs[name]) for name in self.graph.inputs}
        request = self.prepare(*(a.shape for a in ordered.values()))
        return np.array(request.infer(ordered, share_inputs=True)[0], dtype=np.float32)
