"""Shapes that a traced ONNX graph asks for, as numbers where they do not vary and as the batch where they do.

PyTorch's tracer asks values for their shape at every reshape. Left so, a piece that computes what a text
decides would need the state, to see how many pictures there are. What varies is seen by running the graph.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from burnish.graphs.capture import Capture, Wires
from burnish.runtime.onnx import session

BATCH = "batch"  # (1,), the number of pictures: what every piece reads off its first input
Size = int | None  # None varies
Shapes = dict[str, tuple[Size | str, ...]]


def settled(model: onnx.ModelProto, capture: Capture) -> onnx.ModelProto:
    """The model with what is asked of shapes, where it is fixed but for the batch, of constants and BATCH.

    BATCH is computed by no node of it: `onnx_cut` adds that to each piece.
    """
    shapes = _observed(model, capture)
    known = _integers(model)
    found = onnx.ModelProto()
    found.CopyFrom(model)
    del found.graph.node[:]
    for node in model.graph.node:
        found.graph.node.extend(_in_place_of(node, shapes, known) or [node])
    return found


def _in_place_of(node: Any, shapes: Shapes, known: dict[str, tuple[int, ...]]) -> list[Any]:
    """Nodes that give what `node` does without asking for a shape; none where it has to ask."""
    if node.op_type == "Shape":
        return _entries(node, shapes[node.output[0]])
    asked = shapes.get(node.input[0]) if node.input else None
    given = [known.get(name) for name in node.input[1:]]
    match node.op_type, asked, given:
        case "Gather", tuple(), [(int() as k,)] if asked[k] is not None:
            return _entry(node, asked[k])
        case "Slice", tuple(), [(int() as start,), (int() as end,), *rest] if rest in ([], [(0,)]):
            return _entries(node, asked[start:end])
    return []


def _entries(node: Any, sizes: Sequence[Size | str]) -> list[Any]:
    """Nodes that give a shape, or a part of one, in place of `node`; none where some of it varies."""
    (name,) = node.output
    parts = [BATCH if isinstance(size, str) else f"{name}.{k}" for k, size in enumerate(sizes)]
    if not sizes or None in sizes:
        return []
    whole = [(part, size) for part, size in zip(parts, sizes, strict=True) if isinstance(size, int)]
    constants = [_constant(part, np.array([size], dtype=np.int64)) for part, size in whole]
    return [*constants, helper.make_node("Concat", parts, [name], name=node.name, axis=0)]


def _entry(node: Any, size: Size | str) -> list[Any]:
    """Nodes that give one entry of a shape, in place of the node that took it."""
    (name,) = node.output
    if isinstance(size, int):
        return [_constant(name, np.array(size, dtype=np.int64))]
    first = _constant(f"{name}.first", np.array(0, dtype=np.int64))
    return [first, helper.make_node("Gather", [BATCH, *first.output], [name], name=node.name)]


def _constant(name: str, value: NDArray[Any]) -> Any:
    return helper.make_node("Constant", [], [name], name=name, value=numpy_helper.from_array(value, name))


def _integers(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Constants of whole numbers, one dimension or none, by name."""
    tensors = {t.name: t for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    whole = {n: t for n, t in tensors.items() if t.data_type == onnx.TensorProto.INT64 and len(t.dims) < 2}
    return {n: tuple(map(int, np.atleast_1d(numpy_helper.to_array(t)))) for n, t in whole.items()}


def _observed(model: onnx.ModelProto, capture: Capture) -> Shapes:
    """What each shape is: a number where it is the same for other sizes and another batch, BATCH, or None."""
    asked = [node.output[0] for node in model.graph.node if node.op_type == "Shape"]
    first, second = (_shapes(model, asked, wires) for wires in (capture.examples, _larger(capture)))
    counts = (_count(capture.examples), _count(_larger(capture)))
    return {
        name: tuple(_kind(seen, counts) for seen in zip(first[name], second[name], strict=True))
        for name in asked
    }


def _kind(seen: tuple[int, int], counts: tuple[int, int]) -> Size | str:
    return seen[0] if seen[0] == seen[1] else BATCH if seen == counts else None


def _count(wires: Wires) -> int:
    return len(next(iter(wires.values())))


def _larger(capture: Capture) -> Wires:
    """One more in the batch, and twice as high and wide where the capture lets sizes vary."""
    found = {}
    for name, example in capture.examples.items():
        sides = [axis for axis in capture.dynamic[name] if axis]
        more = torch.cat([example, example[:1]])
        found[name] = more.repeat([2 if axis in sides else 1 for axis in range(more.ndim)])
    return found


def _shapes(model: onnx.ModelProto, asked: list[str], wires: Wires) -> dict[str, tuple[int, ...]]:
    """The values of some shapes of the graph on these inputs."""
    if not asked:
        return {}
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in asked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "watched.onnx"
        onnx.save_model(watched, str(path), save_as_external_data=True, location="watched.bin")
        opened = session(path)
        found = opened.run(asked, {port.name: wires[port.name].numpy() for port in opened.get_inputs()})
    return {name: tuple(map(int, shape)) for name, shape in zip(asked, found, strict=True)}
