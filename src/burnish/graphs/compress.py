"""Weights in 8 or 4 bits, everything else as it was: less on disk, and no range of activations to find.

The plugin unpacks the weights of convolutions when it compiles, so memory and speed stay those of floating
point; matrix products are multiplied from the packed weights. NNCF's compress_weights has 4 bits for matrix
products and tables alone, and 8 for convolutions, which are more than half of a UNet; so the rounding is
done here, of all alike: symmetric, one fp16 scale for a group of an output channel's weights.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from burnish.graphs.moments import Inputs, moments
from burnish.graphs.rounding import Integers, Scales, rounded

Weights = Literal["int8", "int4"]
BITS: dict[Weights, int] = {"int8": 8, "int4": 4}
TYPES = {8: ov.Type.i8, 4: ov.Type.i4}
# Which input of a layer holds its weights; a table's rows are its weights.
WEIGHTED = {"Convolution": 1, "GroupConvolution": 1, "MatMul": 1, "Gather": 0}
LITTLE = 1024  # numbers; fewer are not worth a scale


def compress(
    model: Any,
    weights: Weights = "int8",
    *,
    samples: Sequence[Inputs] = (),
    group_size: int = 64,
    keep: Collection[str] = (),
) -> Any:
    """A copy of the ov.Model whose layers' weights, and tables, are stored in 8 or 4 bits.

    In 8 bits an output channel has one scale. In 4 bits `group_size` weights have one, halved until it
    divides a channel's weights, and layers named in `keep`, by friendly names, have 8 bits. With `samples` of
    the inputs, weights are rounded so that each layer's outputs on them stay (`rounding`). Raises ValueError
    for a `group_size` below 2, and where `keep` names what the model does not have.
    """
    if group_size < 2:
        raise ValueError(f"group_size is {group_size}, not 2 or more")
    if unknown := set(keep) - {op.get_friendly_name() for op in model.get_ops()}:
        raise ValueError(f"the model has no layer {min(unknown)!r} to keep")
    copy = model.clone()
    layers = {op.get_friendly_name(): op for op in copy.get_ordered_ops() if _stored(op) is not None}
    bits = {name: BITS["int8" if name in keep else weights] for name in layers}
    packed: dict[tuple[str, int], Any] = {}  # a weight that several layers read stays one
    # Everything is measured before anything is replaced, so that no layer sees another's error.
    measured = moments(copy, list(layers.values()), samples) if samples else ()
    found = {name: _rounded(layers[name], bits[name], group_size, moment) for name, moment in measured}
    for name, op in layers.items():
        key = _stored(op).get_friendly_name(), bits[name]
        if key not in packed:
            packed[key] = _unpacked(
                op, bits[name], *(found.get(name) or _rounded(op, bits[name], group_size))
            )
        op.input(WEIGHTED[op.get_type_name()]).replace_source_output(packed[key].output(0))
    return copy


def _stored(op: Any) -> Any:
    """The constant with a layer's weights; None where there is none, or next to nothing in it."""
    if op.get_type_name() not in WEIGHTED:
        return None
    node = op.input_value(WEIGHTED[op.get_type_name()]).get_node()
    if node.get_type_name() == "Convert":  # stored in half precision
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or not node.get_element_type().is_real():
        return None
    shape = node.get_output_shape(0)
    return node if len(shape) > 1 and np.prod(shape) >= LITTLE else None


def _rounded(op: Any, bits: int, group_size: int, moment: Any = None) -> tuple[Integers, Scales]:
    weight = np.array(_stored(op).data, dtype=np.float32)
    weight = weight.reshape(len(weight), -1)
    size = weight.shape[1]
    if bits < BITS["int8"]:
        size = min(group_size, size)
        while weight.shape[1] % size:
            size //= 2
    return rounded(weight, bits, size, moment)


def _unpacked(op: Any, bits: int, integers: Integers, scales: Scales) -> Any:
    """The node that computes a layer's weights from integers and scales."""
    kind = op.input_value(WEIGHTED[op.get_type_name()]).get_element_type()
    shape = np.array(_stored(op).get_output_shape(0), dtype=np.int64)
    whole = ops.multiply(ops.convert(ops.constant(integers, dtype=TYPES[bits]), "f16"), ops.constant(scales))
    return ops.convert(ops.reshape(whole, ops.constant(shape), special_zero=False), kind.to_string())
