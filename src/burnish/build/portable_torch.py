"""The graphs of a bundle that PyTorch runs: its model directory, in safetensors, and how each is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from burnish.build.portable_parity import compare
from burnish.build.precision import precision_of
from burnish.build.store import GraphStore
from burnish.core.bundle import Graph, Parity
from burnish.core.files import write_text
from burnish.core.plan import Plan
from burnish.graphs import Capture, captures
from burnish.load import OpenedModel
from burnish.load.directory import INDEX
from burnish.load.layouts import LAYOUTS
from burnish.load.weights import component_weights
from burnish.torch_runtime.graphs import FILE, FOLDER, TorchGraph
from burnish.torch_runtime.modules import prepared

Link = Callable[[Path, Path], None]
READ = (".json", ".txt")  # what a part is made of beside weights
ATTRIBUTES = {"unet": "denoiser", "transformer": "denoiser", "vae": "autoencoder"}


def torch_graphs(store: GraphStore, plan: Plan, aside: Path, link: Link) -> tuple[Graph, ...]:
    """Puts the model directory into the bundle at `aside`; gives its graphs with their parity.

    `link` puts a file in place, but for weights that an adapter changed, which are written. Raises ModelError
    where a module in a precision gives numbers that are not finite.
    """
    _write(store.model, aside / FOLDER, link)
    return tuple(_graph(captured, plan) for captured in captures(store.model))


def _write(model: OpenedModel, folder: Path, link: Link) -> None:
    """The parts that are run, and nothing beside: no pictures, no safety checker, no other weights."""
    index: dict[str, Any] = json.loads((model.path / INDEX).read_text())
    parts = {n: p for n, p in LAYOUTS[model.card.pipeline].parts.items() if p.opened and _there(index, n)}
    kept = {key: value for key, value in index.items() if not isinstance(value, list) or key in parts}
    folder.mkdir()
    write_text(folder / INDEX, json.dumps(kept, indent=2))
    for name, part in parts.items():
        module: Any = getattr(model, ATTRIBUTES.get(name, name))
        if part.weights and model.card.adapters:
            module.save_pretrained(folder / name, safe_serialization=True)
            continue
        (folder / name).mkdir()
        for path in _files(model.path / name, part.weights):
            link(path, folder / name / path.name)


def _there(index: dict[str, Any], name: str) -> bool:
    return isinstance(index.get(name), list) and None not in index[name]


def _files(folder: Path, weights: str) -> Iterator[Path]:
    """A part's own files: configs and vocabularies, and of its weights those that were opened."""
    yield from (p for p in sorted(folder.iterdir()) if p.suffix in READ and "safetensors" not in p.name)
    if weights:
        files, _ = component_weights(folder, weights, folder.name)
        yield from (folder / file for file in files)
        index = folder / f"{weights}.safetensors.index.json"
        yield from [index] if len(files) > 1 else []


def _graph(captured: Capture, plan: Plan) -> Graph:
    precision = precision_of(plan, captured.role)
    graph = Graph(
        role=captured.role,
        file=FILE,
        inputs=tuple(captured.examples),
        outputs={name: tuple(tensor.shape[1:]) for name, tensor in captured.reference().items()},
        precision=precision,
        parity=Parity(relative_error=0.0, max_abs_error=0.0),
    )
    if precision == "fp32":  # the very modules that were opened
        return graph
    module = prepared(deepcopy(captured.module), captured.role, precision, "cpu")
    parity = compare(captured, TorchGraph(module, graph))
    return graph.model_copy(update={"parity": parity})
