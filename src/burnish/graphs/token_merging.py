"""Fewer keys and values in self-attention over a picture: the tokens of each rectangle are one, their mean.

Every token still asks, and asks a half or a quarter of the others (Smith et al., ToDo, arXiv 2402.13573,
which takes one token of each square instead). Attention with the most tokens costs the most and has the most
alike, so only the highest resolution is changed. Which tokens are merged is known beforehand, so the graph
stays static, unlike with ToMe (Bolya and Hoffman, arXiv 2303.17604), which matches tokens by what they hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from openvino import opset13 as ops

from burnish.graphs.constants import integers

# Height and width of the tokens that become one, by the share of all that this merges away.
RECTANGLES = {0.5: (1, 2), 0.75: (2, 2)}
# Height and width of `sample` on which grids are told from texts: not a square, and 65, 260, 1040 ... tokens.
PROBE = (80, 208)
COARSEST = 64  # rows of `sample` that one row of the coarsest grid spans
KEYS, VALUES = 1, 2  # inputs of ScaledDotProductAttention, (batch, heads, tokens, width)
SWAPPED = (0, 1, 3, 2)


def merge_tokens(model: Any, share: float) -> Any:
    """A copy of the ov.Model with a share of keys and values merged in its finest self-attention.

    `share` is one of RECTANGLES. A graph without `self_attentions` comes back as an equal copy. Height and
    width of `sample` may be open in the graph, as they are in a bundle: the grid is then computed from them
    as the graph runs. At an odd side the last rectangle has fewer tokens. Raises ValueError for a share that
    is none of them.
    """
    if share not in RECTANGLES:
        raise ValueError(f"share is {share}, not one of {', '.join(map(str, RECTANGLES))}")
    grids = self_attentions(model)
    copy = model.clone()
    for node in copy.get_ordered_ops():
        factor = grids.get(node.get_friendly_name())
        if factor is not None and factor == min(grids.values()):
            sides = _sides(copy.input("sample"), factor)
            for k in (KEYS, VALUES):
                fewer = _merged(node.input_value(k), sides, RECTANGLES[share])
                node.input(k).replace_source_output(fewer.output(0))
    copy.validate_nodes_and_infer_types()
    return copy


def self_attentions(model: Any) -> dict[str, int]:
    """Every self-attention over the picture alone, by name, with how many rows of `sample` a row of it spans.

    That is a ScaledDotProductAttention without a mask whose keys are as many as its queries and lie on
    `sample`'s grid divided by a power of two; where text and picture attend together there is none.
    """
    probe = model.clone()
    port = next((p for p in probe.inputs if "sample" in p.get_names()), None)
    if port is None or port.get_partial_shape().rank.get_length() != len(SWAPPED):
        return {}
    probe.reshape({p: _closed(p.get_partial_shape()) for p in probe.inputs})
    height, width = list(port.get_shape())[2:]
    found = {}
    for node in probe.get_ordered_ops():
        if node.get_type_name() != "ScaledDotProductAttention" or node.get_input_size() > VALUES + 1:
            continue
        shapes = [node.input_value(k).get_partial_shape() for k in range(VALUES + 1)]
        if any(shape.is_dynamic or len(shape) != len(SWAPPED) for shape in shapes):
            continue
        tokens = {shape[2].get_length() for shape in shapes}
        factor = _factor(height, width, tokens.pop()) if len(tokens) == 1 else 0
        if factor:
            found[node.get_friendly_name()] = factor
    return found


def _closed(shape: Any) -> list[int]:
    """A shape with one in the batch, and the probe's sides where height and width are open."""
    sides = [1, 1, *PROBE]
    return [d.get_length() if d.is_static else size for d, size in zip(shape, sides, strict=False)]


def _factor(height: int, width: int, tokens: int) -> int:
    """The power of two that divides height and width into as many tokens; 0 where there is none."""
    factor = 1
    while factor <= COARSEST:
        if -(-height // factor) * -(-width // factor) == tokens:
            return factor
        factor *= 2
    return 0


def _sides(sample: Any, factor: int) -> Any:
    """Height and width of the grid, rounded up as a UNet's strided convolutions do."""
    whole = ops.gather(ops.shape_of(sample, "i64"), integers(2, 3), np.int64(0))
    return ops.divide(ops.add(whole, integers(factor - 1)), integers(factor))


def _merged(tokens: Any, sides: Any, rectangle: tuple[int, int]) -> Any:
    """(batch, heads, tokens, width) with the mean of each rectangle for its tokens."""
    heads, width = (tokens.get_partial_shape()[k].get_length() for k in (1, 3))
    last = ops.transpose(tokens, integers(*SWAPPED))
    grid = ops.reshape(last, ops.concat([integers(0, heads * width), sides], 0), special_zero=True)
    size, none = list(rectangle), [0, 0]
    fewer = ops.avg_pool(grid, size, none, none, size, exclude_pad=True, rounding_type="ceil")
    return ops.transpose(
        ops.reshape(fewer, integers(0, heads, width, -1), special_zero=True), integers(*SWAPPED)
    )
