"""Where a transformer is cut: between its blocks, each of which adds to the tokens that pass through it.

The deep features are what the blocks in the middle add (Chen et al., Delta-DiT, arXiv 2406.01125), so zeros
in their place leave the tokens as they were. Blocks are found by the names of their modules, which a capture
keeps, and boundaries by the graph: a boundary is whatever goes from a block and those before it to those
after it. In DiT and PixArt that is the tokens of the picture, in Stable Diffusion 3 and Flux those of the
text too; the two are then joined, so that one wire holds both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from openvino import opset13 as ops

from burnish.graphs.cut_nodes import Net, Port, named

BLOCK = re.compile(r"\.(\w*blocks\.\d+)[./]")
TOKENS = 1  # the axis of (batch, tokens, width)
STREAMS = 2  # of tokens at the most: a picture's and a text's
DELTA = "deep/delta"


@dataclass(frozen=True, kw_only=True)
class Middle:
    """Consecutive blocks: the tokens that they take and give, stream by stream in the same order.

    `lengths` are the tokens of each stream; -1 where there is one alone.
    """

    takes: tuple[Port, ...]
    gives: tuple[Port, ...]
    lengths: tuple[int, ...]


def middles(net: Net, state: str) -> dict[str, Middle]:
    """The middles of a transformer by name, the shallowest cut first; none where the graph is no such thing.

    The d-th leaves out the first d blocks and the last d. `state` is the input that the tokens are made of.
    """
    blocks, crossing = _boundaries(net, state)
    found = {}
    for d in range(1, (len(blocks) + 1) // 2):
        middle = _middle(net, crossing[d], crossing[len(blocks) - d])
        if middle is not None:
            found[f"{blocks[d]} to {blocks[-d - 1]}"] = middle
    return found


def with_delta(model: Any, middle: Middle) -> Any:
    """A copy of the ov.Model in which what `middle` adds to its tokens is one node, DELTA.

    After the middle stands before + DELTA, where DELTA is after - before: equal to the model to rounding.
    """
    copy = model.clone()
    nodes = {n.get_friendly_name(): n for n in copy.get_ordered_ops()}
    taken = [nodes[name].output(k) for name, k in middle.takes]
    given = [nodes[name].output(k) for name, k in middle.gives]
    readers = [[list(port.get_target_inputs()) for port in ports] for ports in (taken, given)]
    before = _joined(taken, "deep/before")
    delta = ops.subtract(_joined(given, "deep/after"), before, name=DELTA)
    after = ops.add(before, delta, name="deep/sum").output(0)
    for streams, whole, title in zip(readers, (before, after), ("deep/in", "deep/out"), strict=True):
        for targets, part in zip(streams, _parted(whole, middle.lengths, title), strict=True):
            for target in targets:
                target.replace_source_output(part)
    copy.validate_nodes_and_infer_types()
    return copy


def _boundaries(net: Net, state: str) -> tuple[list[str], list[list[Port]]]:
    """The blocks in the order in which they are computed, and what crosses after the first k of them."""
    moving = [name for name, needs in net.depends().items() if state in needs]
    of_block = {name: found[1] for name in moving if (found := BLOCK.search(name))}
    blocks = list(dict.fromkeys(of_block.values()))
    number = {block: k for k, block in enumerate(blocks, 1)}
    place: dict[str, int] = {}
    crossing: list[dict[Port, None]] = [{} for _ in range(len(blocks) + 1)]
    for name in moving:
        sources = [s for s in net.sources(name) if named(s) in place]
        reached = max((place[named(s)] for s in sources), default=0)
        place[name] = max(reached, number.get(of_block.get(name, ""), 0))
        for source in sources:
            for k in range(place[named(source)], place[name]):
                crossing[k][named(source), source.get_index()] = None
    return blocks, [list(ports) for ports in crossing]


def _middle(net: Net, takes: Sequence[Port], gives: Sequence[Port]) -> Middle | None:
    """The middle between two boundaries; None where they are not the same streams of tokens.

    Two streams are told apart by their lengths, so they must differ.
    """
    ours, theirs = ([_shape(net, port) for port in ports] for ports in (takes, gives))
    if not 1 <= len(takes) == len(gives) <= STREAMS or None in ours or None in theirs:
        return None
    if len(takes) == 1:
        return Middle(takes=tuple(takes), gives=tuple(gives), lengths=(-1,)) if ours == theirs else None
    lengths = [shape[0] for shape in ours if shape]
    if -1 in lengths or len(set(lengths)) < STREAMS or set(ours) != set(theirs):
        return None
    ordered = [gives[theirs.index(shape)] for shape in ours]
    return Middle(takes=tuple(takes), gives=tuple(ordered), lengths=tuple(lengths))


def _shape(net: Net, port: Port) -> tuple[int, int] | None:
    """(tokens, width) of an output of rank 3, where -1 is open; None for another rank."""
    shape = net.nodes[port[0]].output(port[1]).get_partial_shape()
    if shape.rank.is_dynamic or len(shape) != TOKENS + 2:
        return None
    tokens, width = (-1 if size.is_dynamic else size.get_length() for size in list(shape)[TOKENS:])
    return tokens, width


def _joined(ports: Sequence[Any], title: str) -> Any:
    """One output of all streams, a token after the other."""
    return ports[0] if len(ports) == 1 else ops.concat(list(ports), axis=TOKENS, name=title).output(0)


def _parted(whole: Any, lengths: Sequence[int], title: str) -> list[Any]:
    """The streams of `_joined` again."""
    if len(lengths) == 1:
        return [whole]
    sizes = ops.constant(np.array(lengths, dtype=np.int64))
    axis = ops.constant(np.array(TOKENS, dtype=np.int64))
    return list(ops.variadic_split(whole, axis, sizes, name=title).outputs())
