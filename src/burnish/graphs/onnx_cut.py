"""Cuts a denoiser in ONNX as `cut` does the IR: by what each value depends on. No weight is held twice.

A value has a name of its own here and a node may give several, so places are values, not nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import helper, shape_inference

from burnish.core.bundle import ORDER, OUTPUT, Role
from burnish.core.errors import PlanError
from burnish.graphs.cut import SPATIAL, STATE, TIME, Piece
from burnish.graphs.onnx_shapes import BATCH

# Until a kind of node is met that computes, what a request alone decides is not worth a graph.
COMPUTES = ("MatMul", "Gemm", "Conv", "Gather")
LITTLE = 1024  # bytes; shapes are inferred from what constants of up to so many hold


def cut(model: onnx.ModelProto, deep: str = "") -> tuple[Piece, ...]:
    """The pieces of a denoiser in the order in which they run; `model` stays as it is.

    `deep` names one of `cuts(model)`; "" keeps what sees the state in one piece. Raises PlanError where there
    is no such cut.
    """
    net = _Net(model)
    role_of = _by_request(net)
    if deep:
        _by_depth(net, role_of, deep)
    return tuple(_pieces(net, role_of))


def cuts(model: onnx.ModelProto) -> tuple[str, ...]:
    """Where a denoiser can be cut, the shallowest first: the deep features' values, by name.

    In a UNet these are what a layer on the way up joins with its skip; the last layers come first.
    """
    net = _Net(model)
    joins = [n for n in reversed(net.nodes) if n.op_type == "Concat" and len(n.input) == 2]
    return tuple(n.input[0] for n in joins if "up_blocks" in n.name and net.rank(n.output[0]) == SPATIAL)


class _Net:
    """The nodes of an ONNX graph in the order in which they are computed, and its values by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[Any] = list(model.graph.node)
        self.inputs = {value.name: value for value in model.graph.input}
        self.outputs = [value.name for value in model.graph.output]
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.giver = {name: node for node in self.nodes for name in node.output}
        self.place = {name: k for k, name in enumerate([*self.inputs, *self.giver])}
        inferred = shape_inference.infer_shapes(_weightless(model), data_prop=True).graph
        known = [*inferred.value_info, *inferred.input, *inferred.output]
        self.kinds = {value.name: value.type.tensor_type for value in known}
        self.needs = self._needs()

    def rank(self, value: str) -> int:
        """Dimensions of a value; 0 where they are not known."""
        return len(self.kinds[value].shape.dim) if value in self.kinds else 0

    def free(self, value: str) -> bool:
        """Whether a value is constant, or computed of shapes: each piece has its own."""
        return not self.needs[value]

    def _needs(self) -> dict[str, frozenset[str]]:
        """The inputs of the model that each value depends on, by more than their shape."""
        found = {
            "": frozenset[str](),
            BATCH: frozenset[str](),
            **dict.fromkeys(self.weights, frozenset[str]()),
        }
        found |= {name: frozenset((name,)) for name in self.inputs}
        for node in self.nodes:
            given = () if node.op_type == "Shape" else node.input
            needs = frozenset[str]().union(*(found[name] for name in given))
            found |= dict.fromkeys(node.output, needs)
        return found

    def ancestors(self, values: Iterable[str], without: str = "") -> set[str]:
        """`values` and all that they are computed of, where `without` counts as given."""
        found: set[str] = set()
        waiting = list(values)
        while waiting:
            value = waiting.pop()
            if value not in found and value != without:
                found.add(value)
                waiting += self.giver[value].input if value in self.giver else ()
        return found


def _weightless(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with weights as inputs, so that shapes are inferred without a copy of them."""
    graph = model.graph
    large = [t for t in graph.initializer if len(t.raw_data) > LITTLE]
    inputs = [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in large]
    inputs.append(helper.make_tensor_value_info(BATCH, onnx.TensorProto.INT64, [1]))
    little = [t for t in graph.initializer if len(t.raw_data) <= LITTLE]
    bare = helper.make_graph(graph.node, "bare", [*graph.input, *inputs], graph.output, little)
    return helper.make_model(bare, opset_imports=model.opset_import, ir_version=model.ir_version)


def _by_request(net: _Net) -> dict[str, Role]:
    """The role of each value that is neither free nor an input of the whole."""
    role_of: dict[str, Role] = {}
    for value in net.giver:
        needs = net.needs[value]
        if needs:
            role_of[value] = "denoiser" if STATE in needs else "modulation" if TIME in needs else "context"
    for role in ("context", "modulation"):
        members = [value for value, found in role_of.items() if found == role]
        if not any(net.giver[value].op_type in COMPUTES for value in members):
            role_of.update(dict.fromkeys(members, "denoiser"))
    return role_of


def _by_depth(net: _Net, role_of: dict[str, Role], deep: str) -> None:
    """Parts what sees the state: up needs the deep features and what down gives, deep what down gives."""
    if role_of.get(deep) != "denoiser":
        raise PlanError(f"the denoiser cannot be cut at {deep!r}", "Choose another depth of the cut")
    before = net.ancestors([deep])
    shallow = net.ancestors(net.outputs, without=deep)
    for value, role in role_of.items():
        if role == "denoiser":
            role_of[value] = "up" if value not in before else "down" if value in shallow else "deep"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one piece computes, and what it takes of others or of the whole's inputs, in order."""

    role: Role
    gives: tuple[str, ...]
    takes: tuple[str, ...]
    nodes: tuple[Any, ...]


def _pieces(net: _Net, role_of: dict[str, Role]) -> Iterator[Piece]:
    wanted = set(net.outputs)
    every: list[_Part] = []
    for role in reversed(ORDER):  # who takes comes before who gives
        gives = sorted((v for v in wanted if role_of[v] == role), key=net.place.__getitem__)
        if gives:
            part = _part(net, role_of, role, gives)
            wanted |= {v for v in part.takes if v in role_of}
            every.insert(0, part)
    wires = {value: f"{part.role}.{k}" for part in every for k, value in enumerate(part.gives)}
    wires |= dict.fromkeys(net.outputs, OUTPUT)
    yield from (_piece(net, part, wires) for part in every)


def _part(net: _Net, role_of: dict[str, Role], role: Role, gives: Sequence[str]) -> _Part:
    takes, seen = set[str](), set[str]()
    waiting = list(gives)
    while waiting:
        value = waiting.pop()
        if value in seen or value not in net.giver:
            continue
        seen.add(value)
        for source in net.giver[value].input:
            if net.free(source) or role_of.get(source) == role:
                waiting.append(source)
            else:
                takes.add(source)
    nodes = tuple(node for node in net.nodes if not seen.isdisjoint(node.output))
    ordered = sorted(takes, key=net.place.__getitem__)
    return _Part(role=role, gives=tuple(gives), takes=tuple(ordered), nodes=nodes)


def _piece(net: _Net, part: _Part, wires: dict[str, str]) -> Piece:
    inputs = tuple(wires.get(value, value) for value in part.takes)
    nodes = [_renamed(node, wires) for node in part.nodes]
    used = {name for node in nodes for name in node.input}
    if BATCH in used:
        nodes.insert(0, helper.make_node("Shape", [inputs[0]], [BATCH], start=0, end=1))
    graph = helper.make_graph(
        nodes,
        part.role,
        [_told(net, value, wires.get(value, value)) for value in part.takes],
        [_told(net, value, wires[value]) for value in part.gives],
        [tensor for name, tensor in net.weights.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=net.model.opset_import, ir_version=net.model.ir_version)
    return Piece(role=part.role, model=model, inputs=inputs, outputs=tuple(wires[v] for v in part.gives))


def _renamed(node: Any, wires: dict[str, str]) -> Any:
    found = onnx.NodeProto()
    found.CopyFrom(node)
    for names in (found.input, found.output):
        names[:] = [wires.get(name, name) for name in names]
    return found


def _told(net: _Net, value: str, wire: str) -> Any:
    """A wire's kind: first the batch, then sizes or, where they vary, names that sizes can be given to."""
    if value in net.inputs:
        return net.inputs[value]
    kind = net.kinds[value]
    sizes = [d.dim_value or f"{wire}.{axis}" if axis else BATCH for axis, d in enumerate(kind.shape.dim)]
    return helper.make_tensor_value_info(wire, kind.elem_type, sizes if kind.HasField("shape") else None)
