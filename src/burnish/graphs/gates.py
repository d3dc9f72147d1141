"""A graph with a gate at each layer: open, the layer computes as its rounded counterpart; shut, as before.

The simulation is in fp32, with the ranges, weights and biases of a graph that was quantized or compressed, so
any choice of layers is one run of one compiled graph. For a layer y = f(x, W) + b with gate g

    x' = x + g (round(x) - x)        y = f(x', W) + g (f(x', W' - W) + b' - b)

Its weights stay constants, of which the graph holds two for each layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

Array = NDArray[np.float32]
GATES = "gates"
WEIGHTED = {
    "Convolution": ops.convolution,
    "GroupConvolution": ops.group_convolution,
    "MatMul": ops.matmul,
}
LAYERS = (*WEIGHTED, "ScaledDotProductAttention")
WEIGHT, BIAS = 1, 1  # inputs of a layer, and of the Add behind it
# What only moves numbers: rounding with one scale before it is rounding behind it.
MOVES = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Concat", "Split", "VariadicSplit", "Interpolate")
# What stands between stored weights and the layer.
STORED = ("Convert", "Subtract", "Multiply", "Reshape", "FakeQuantize")
NARROWEST = 1e-30  # a range; of an input that was always the same


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What rounding does to one layer: the range of each rounded input, and how weights and bias change."""

    ranges: dict[int, tuple[float, float, int]]  # input: (least, greatest, levels)
    weight: Array | None = None
    bias: Array | None = None


def gated(model: Any, changed: Any) -> tuple[Any, tuple[str, ...]]:
    """The ov.Model with one more input, `gates` (layers,), and the layers' names in its order.

    `changed` is what `quantize` or `compress` made of `model`: layers are paired by their friendly names, and
    those that it left alone have no gate. With every gate 0 the output is the model's own.
    """
    copy = model.clone()
    found = roundings(model, changed)
    gates = ops.parameter([len(found)], np.float32, name=GATES)
    gates.output(0).get_tensor().set_names({GATES})
    layers = {op.get_friendly_name(): op for op in copy.get_ordered_ops()}
    for k, (name, rounding) in enumerate(found.items()):
        _insert(layers[name], rounding, ops.gather(gates, np.int64(k), np.int64(0)))
    copy.add_parameters([gates])
    return copy, tuple(found)


def roundings(model: Any, changed: Any) -> dict[str, Rounding]:
    """What `changed` rounds, layer by layer, in the order of the model; other layers are left out."""
    theirs = {op.get_friendly_name(): op for op in changed.get_ordered_ops()}
    ours = {
        op.get_friendly_name(): op
        for op in model.get_ordered_ops()
        if op.get_type_name() in LAYERS and op.get_friendly_name() in theirs
    }
    pairs = [layer for name, op in ours.items() for layer in (op, theirs[name])]
    values = iter(_evaluated([*map(_weight, pairs), *map(_bias, pairs)]))
    weights, biases = ([_change(next(values), next(values)) for _ in ours] for _ in range(2))
    found = {
        name: Rounding(ranges=_ranges(theirs[name]), weight=weight, bias=bias)
        for name, weight, bias in zip(ours, weights, biases, strict=True)
    }
    return {name: one for name, one in found.items() if one.ranges or one.weight is not None}


def _ranges(layer: Any) -> dict[int, tuple[float, float, int]]:
    """Each input of a quantized layer that is rounded with one scale, be it some moves before."""
    found = {}
    for k, value in enumerate(layer.input_values()):
        node = value.get_node()
        while node.get_type_name() in MOVES:
            node = node.input_value(0).get_node()
        if node.get_type_name() == "FakeQuantize":
            ends = [np.array(node.input_value(i).get_node().data) for i in (1, 2)]
            if all(end.size == 1 for end in ends):
                found[k] = (ends[0].item(), ends[1].item(), int(node.get_attributes()["levels"]))
    return found


def _weight(layer: Any) -> Any:
    value = layer.input_value(WEIGHT)
    return value if _is_constant(value.get_node()) else None


def _bias(layer: Any) -> Any:
    """What is added to a layer's output; correction of biases changes it. None where it is no constant."""
    node = bias_add(layer)
    return None if node is None else node.input_value(BIAS)


def bias_add(layer: Any) -> Any:
    """The Add behind a layer that nothing else reads, where it adds a constant; otherwise None."""
    readers = layer.output(0).get_target_inputs()
    node = next(iter(readers)).get_node() if len(readers) == 1 else None
    if node is None or node.get_type_name() != "Add":
        return None
    return node if _is_constant(node.input_value(BIAS).get_node()) else None


def _is_constant(node: Any) -> bool:
    """Whether a node is a constant, or one that is stored in fewer bits and scaled back."""
    while node.get_type_name() in STORED:
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "Constant")


def _evaluated(outputs: Iterable[Any]) -> list[Array | None]:
    """The numbers behind outputs that are constant, in fp32; None stays None."""
    listed = list(outputs)
    wanted = [value for value in listed if value is not None]
    results = [ops.result(ops.convert(value, "f32")) for value in wanted]
    compiled = ov.Core().compile_model(ov.Model(results, []), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    request.infer()
    numbers = (np.array(request.get_output_tensor(k).data) for k in range(len(wanted)))
    return [None if value is None else next(numbers) for value in listed]


def _change(before: Array | None, after: Array | None) -> Array | None:
    """The difference of two constants, one that is not there counted as 0; None where there is none."""
    if after is None:
        return None
    change = after if before is None else after - before
    return change if change.any() else None


def _insert(layer: Any, rounding: Rounding, gate: Any) -> None:
    """Puts a gate at each rounded input of a layer, and adds what its other weights and bias change."""
    for k, span in rounding.ranges.items():
        x = layer.input_value(k)
        moved = ops.multiply(gate, ops.subtract(_rounded(x, *span), x))
        layer.input(k).replace_source_output(ops.add(x, moved).output(0))
    readers = layer.output(0).get_target_inputs()
    change = None
    if rounding.weight is not None:
        like = WEIGHTED[layer.get_type_name()]
        other = like(layer.input_value(0), ops.constant(rounding.weight), **layer.get_attributes())
        change = other.output(0)
    if rounding.bias is not None:
        bias = ops.constant(rounding.bias)
        change = ops.add(change, bias).output(0) if change is not None else bias.output(0)
    if change is None:
        return
    whole = ops.add(layer.output(0), ops.multiply(gate, change))
    for reader in readers:
        reader.replace_source_output(whole.output(0))


def _rounded(x: Any, least: float, greatest: float, levels: int) -> Any:
    """FakeQuantize with one scale, spelled out: the plugin would run a FakeQuantize in int8."""
    scale = np.float32((levels - 1) / max(greatest - least, NARROWEST))
    steps = ops.multiply(ops.subtract(ops.clamp(x, least, greatest), np.float32(least)), scale)
    return ops.add(ops.divide(ops.round(steps), scale), np.float32(least))
