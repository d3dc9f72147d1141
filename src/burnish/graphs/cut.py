"""Cuts a denoiser into disjoint graphs joined by named wires; no weight is held twice.

What depends on the text or the class alone is computed once a request (`context`), what depends on the time
too once a call and for all calls together (`modulation`). The rest sees the state: one `denoiser`, or, where
deep features are kept between calls, `down`, `deep` and `up`; a call that reuses them runs `down` and `up`
alone (Ma et al., DeepCache, arXiv 2312.00858, as static graphs). UNets are cut here, transformers as
`cut_blocks` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from burnish.core.bundle import ORDER, OUTPUT, Role
from burnish.core.errors import PlanError
from burnish.graphs.cut_blocks import DELTA, middles, with_delta
from burnish.graphs.cut_nodes import Net, Port, named

STATE, TIME = "sample", "time_proj"
SPATIAL = 4  # dimensions: batch, channels, height, width
# Until a kind of node is met that computes, what a request alone decides is not worth a graph.
COMPUTES = ("MatMul", "Convolution", "Gather")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One graph of a cut: its role, the model, and the wires it takes and gives, in order."""

    role: Role
    model: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def cut(model: Any, deep: str = "") -> tuple[Piece, ...]:
    """The pieces of a denoiser in the order in which they run; `model` stays as it is.

    `deep` names one of `cuts(model)`; "" keeps what sees the state in one piece. Raises PlanError where there
    is no such cut.
    """
    if deep and (middle := middles(Net(model), STATE).get(deep)):
        model, deep = with_delta(model, middle), DELTA
    graph = Net(model)
    stage_of = _by_request(graph)
    if deep:
        _by_depth(graph, stage_of, deep)
    return tuple(_pieces(graph, stage_of))


def cuts(model: Any) -> tuple[str, ...]:
    """Where a denoiser can be cut, by name, the shallowest first.

    In a UNet the deep features are what a layer on the way up joins with its skip; the last layers come
    first. In a transformer they are what the blocks but for the first d and the last d add to the tokens.
    """
    graph = Net(model)
    found = []
    for name, node in reversed(graph.nodes.items()):
        joins = node.get_type_name() == "Concat" and node.get_input_size() == 2 and "up_blocks" in name
        if joins and node.get_output_partial_shape(0).rank.get_length() == SPATIAL:
            found.append(named(node.input_value(0)))
    return tuple(found) or tuple(middles(graph, STATE))


def _by_request(graph: Net) -> dict[str, Role]:
    """The role of each node that is neither free nor an input of the whole."""
    stage_of: dict[str, Role] = {}
    for name, needs in graph.depends().items():
        if not needs or graph.nodes[name].get_type_name() in ("Parameter", "Result"):
            continue
        stage_of[name] = "denoiser" if STATE in needs else "modulation" if TIME in needs else "context"
    for role in ("context", "modulation"):
        members = [name for name, stage in stage_of.items() if stage == role]
        if not any(graph.nodes[name].get_type_name() in COMPUTES for name in members):
            stage_of.update(dict.fromkeys(members, "denoiser"))
    return stage_of


def _by_depth(graph: Net, stage_of: dict[str, Role], deep: str) -> None:
    """Parts what sees the state: up needs the deep features and what down gives, deep what down gives."""
    if deep not in graph.nodes or stage_of.get(deep) != "denoiser":
        raise PlanError(f"the denoiser cannot be cut at {deep!r}", "Choose another depth of the cut")
    before = graph.ancestors([deep])
    shallow = graph.ancestors(graph.results, without=deep)
    for name, role in stage_of.items():
        if role == "denoiser":
            stage_of[name] = "up" if name not in before else "down" if name in shallow else "deep"


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """What one piece computes, and what it takes of others, each in the order of computing."""

    role: Role
    gives: tuple[Port, ...]
    takes: tuple[Port, ...]  # of other pieces, or an input of the whole
    shapes: tuple[str, ...]  # ShapeOf of what is not taken, where only the batch varies


def _pieces(graph: Net, stage_of: dict[str, Role]) -> Iterator[Piece]:
    order = {name: k for k, name in enumerate(graph.nodes)}
    wanted: set[Port] = {(name, 0) for name in graph.results}
    every: list[_Needs] = []
    for role in reversed(ORDER):  # who takes comes before who gives
        gives = sorted((p for p in wanted if stage_of[p[0]] == role), key=lambda p: (order[p[0]], p[1]))
        if gives:
            needs = _needs(graph, stage_of, role, gives)
            wanted |= {p for p in needs.takes if p[0] in stage_of}
            every.insert(0, needs)
    wires = {port: f"{n.role}.{k}" for n in every for k, port in enumerate(n.gives)}
    wires |= {(name, 0): OUTPUT for name in graph.results}
    yield from (_piece(graph, needs, wires) for needs in every)


def _needs(graph: Net, stage_of: dict[str, Role], role: Role, gives: Sequence[Port]) -> _Needs:
    takes: dict[Port, None] = {}
    shapes: list[str] = []
    waiting, seen = [name for name, _ in gives], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for source in graph.sources(name):
            given = named(source)
            if given in graph.free or stage_of.get(given) == role:
                waiting.append(given)
            elif graph.nodes[name].get_type_name() == "ShapeOf" and _fixed(source):
                shapes.append(name)
            else:
                takes[given, source.get_index()] = None
    order = {name: k for k, name in enumerate(graph.nodes)}
    ordered = sorted(takes, key=lambda p: (order[p[0]], p[1]))
    return _Needs(role=role, gives=tuple(gives), takes=tuple(ordered), shapes=tuple(sorted(set(shapes))))


def _fixed(source: Any) -> bool:
    return not any(size.is_dynamic for size in list(source.get_partial_shape())[1:])


def _piece(graph: Net, needs: _Needs, wires: dict[Port, str]) -> Piece:
    """Copies the whole, puts parameters where wires come in, and keeps what the wires going out need."""
    copied = graph.model.clone()
    nodes = {n.get_friendly_name(): n for n in copied.get_ordered_ops()}
    taken: dict[str, Any] = {}
    outputs = {wires[port]: nodes[port[0]].output(port[1]) for port in needs.gives}
    for port in needs.takes:
        wire, source = wires.get(port, port[0]), nodes[port[0]].output(port[1])
        taken[wire] = ops.parameter(source.get_partial_shape(), source.get_element_type(), name=wire)
        taken[wire].output(0).get_tensor().set_names({wire})
        for target in source.get_target_inputs():
            target.replace_source_output(taken[wire].output(0))
    for name in needs.shapes:
        _own_shape(nodes[name], next(iter(taken.values())))
    results = []
    for wire, port in outputs.items():
        port.get_tensor().set_names({wire})
        results.append(ops.result(port, name=f"{wire}/result"))
    model = ov.Model(results, list(taken.values()), needs.role)
    return Piece(role=needs.role, model=model, inputs=tuple(taken), outputs=tuple(outputs))


def _own_shape(node: Any, anchor: Any) -> None:
    """The shape of what another piece computes: only the batch varies, and every input has that."""
    shape = list(node.input_value(0).get_partial_shape())
    batch = ops.slice(ops.shape_of(anchor, "i64"), _ints(0), _ints(1), _ints(1))
    whole = ops.concat([batch, _ints(*(size.get_length() for size in shape[1:]))], axis=0)
    kind = node.get_output_element_type(0)
    node.output(0).replace(ops.convert(whole, kind).output(0))


def _ints(*values: int) -> Any:
    return ops.constant(np.array(values, dtype=np.int64))
