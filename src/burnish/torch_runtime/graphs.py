"""Graphs of a bundle in PyTorch: compiled on a GPU, eager on a CPU unless it is asked otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.core.bundle import Bundle, Graph, Role
from burnish.core.errors import BundleError, ModelError
from burnish.load import OpenedModel, open_model
from burnish.runtime.engines import EngineGraph, Shape
from burnish.runtime.manifest import inside
from burnish.torch_runtime.modules import FLOATING, modules, prepared

FOLDER = "model"  # of the bundle: a diffusers directory, weights in safetensors
FILE = "model/model_index.json"  # what each graph names
# What of a card is not said by the model directory alone, or is said of other files.
ELSEWHERE = {"name", "components", "adapters", "licence", "source", "digest"}


def open_graphs(
    directory: Path, bundle: Bundle, *, threads: int = 0, compiled: bool | None = None
) -> dict[Role, TorchGraph]:
    """The graphs of a bundle by role, on the GPU where there is one; `compiled` None is where there is.

    The model directory within is checked as any other that is opened. Raises BundleError where it does not
    pass, holds a file without a digest, or is another model than the bundle says.
    """
    model = _opened(directory, bundle)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = modules(model)
    found: dict[Role, TorchGraph] = {}
    for graph in bundle.graphs:
        if graph.role not in made:
            raise BundleError(f"{directory} has no {graph.role} in PyTorch", "Build the bundle again")
        module = prepared(made[graph.role], graph.role, graph.precision, device)
        found[graph.role] = TorchGraph(
            module,
            graph,
            title=f"{graph.role} of {directory}",
            threads=threads,
            compiled=device == "cuda" if compiled is None else compiled,
        )
    return found


def _opened(directory: Path, bundle: Bundle) -> OpenedModel:
    folder = inside(directory, FOLDER)
    for path in sorted(p for p in folder.rglob("*") if not p.is_dir()):
        name = path.relative_to(folder.parent).as_posix()
        if name not in bundle.files:
            raise BundleError(f"{directory}: {name} has no digest", "Build the bundle again")
    try:
        model = open_model(folder, size=bundle.model.image_shape[1])
    except ModelError as error:
        raise BundleError(f"{folder}: {error.problem}", "Build the bundle again") from error
    said, found = (card.model_dump(exclude=ELSEWHERE) for card in (bundle.model, model.card))
    if said != found:
        first = min(name for name in said if said[name] != found[name])
        raise BundleError(
            f"{folder}: {first} is {found[first]!r:.60}, its bundle says {said[first]!r:.60}",
            "Build the bundle again",
        )
    return replace(model, card=bundle.model)


class TorchGraph(EngineGraph):
    """One graph of a bundle. Compiled code has static shapes: each new set of input shapes is compiled."""

    def __init__(
        self, module: nn.Module, graph: Graph, *, title: str = "", threads: int = 0, compiled: bool = False
    ) -> None:
        """`module` takes the graph's inputs in order and is where, and in what, it is run."""
        super().__init__(graph, title or graph.role)
        self._device = next(module.parameters(), torch.zeros(0)).device
        self._dtype, self._threads = FLOATING[graph.precision], threads
        self._run: Any = torch.compile(module, dynamic=False) if compiled else module

    def prepare(self, *shapes: Shape) -> Any:
        """What runs the graph; it is compiled for input shapes when it first meets them."""
        return self._run

    def computed(self, arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """The outputs in fp32, in order, of the inputs in order; raises BundleError where PyTorch fails."""
        with self._said(), torch.inference_mode():
            found = self._run(*map(self._tensor, arrays))
            every = [found] if isinstance(found, Tensor) else found
            return [tensor.float().cpu().numpy() for tensor in every]

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(array).to(self._device)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor

    @contextmanager
    def _said(self) -> Iterator[None]:
        """PyTorch's errors are of many lines, here of one with the graph's name. Threads are put back."""
        before = torch.get_num_threads()
        try:
            if self._threads:
                torch.set_num_threads(self._threads)
            yield
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise BundleError(f"{self.title} cannot be run on its inputs", "Build it again") from error
        finally:
            torch.set_num_threads(before)
