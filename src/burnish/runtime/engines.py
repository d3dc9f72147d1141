"""What runs a bundle's graphs where OpenVINO does not: the engine is named by the plan, and imported then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.bundle import BEFORE, Bundle, Graph, Role
from burnish.core.errors import BundleError

Arrays = dict[str, NDArray[Any]]
Wires = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]

# By name, not by import: rooms below `burnish.build` do not know PyTorch, and a bundle seldom needs it.
ENGINES = {"onnxruntime": "burnish.runtime.onnx", "torch": "burnish.torch_runtime"}


class EngineGraph(ABC):
    """One graph of a bundle, run by another engine; what the denoiser and the teller ask of a graph."""

    def __init__(self, graph: Graph, title: str) -> None:
        """`title` says in errors which graph of which bundle it is."""
        self.graph = graph
        self.title = title

    @abstractmethod
    def prepare(self, *shapes: Shape) -> Any:
        """What runs the graph for these input shapes, in order; raises BundleError where nothing does."""

    @abstractmethod
    def computed(self, arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """The outputs in order of the inputs in order; raises BundleError where the engine fails on them."""

    def lent(self, wires: Wires) -> Arrays:
        """What the graph gives, by name, of the wires that it takes.

        Raises BundleError where the engine fails on them, or gives something else than the manifest says.
        """
        taken = [np.ascontiguousarray(wires[name]) for name in self.graph.inputs]
        found = self.computed(taken)
        if len(found) != len(self.graph.outputs):
            raise BundleError(f"{self.title} gives {len(found)} wires", "Build it again")
        given = dict(zip(self.graph.outputs, found, strict=True))
        if self.graph.role in BEFORE:  # the others depend on the picture's size
            self._require_shapes(given, len(taken[0]))
        return given

    def together(self, runs: Sequence[Wires]) -> list[Arrays]:
        """As `lent`, of several runs: one after the other."""
        return [self.lent(wires) for wires in runs]

    def __call__(self, wires: Wires) -> Arrays:
        """As `lent`, in fp32 and in arrays of the caller's own."""
        return {name: np.array(value, dtype=np.float32) for name, value in self.lent(wires).items()}

    def _require_shapes(self, given: Arrays, count: int) -> None:
        for name, expected in self.graph.outputs.items():
            if given[name].shape != (count, *expected):
                what = f"{self.title} gives {name} of {given[name].shape}"
                raise BundleError(f"{what}, not {(count, *expected)}", "Build it again")


def open_graphs(directory: Path, bundle: Bundle, *, threads: int = 0) -> dict[Role, Any]:
    """The graphs of a checked bundle by role; `threads` 0 is as many as the engine takes.

    Raises BundleError where the engine is not installed, or a file is not one that it runs.
    """
    opener: Callable[..., dict[Role, Any]] = import_module(ENGINES[bundle.plan.runtime]).open_graphs
    return opener(directory, bundle, threads=threads)
