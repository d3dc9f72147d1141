"""Second moments of what enters each layer, summed over recorded inputs of the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Inputs = dict[str, NDArray[Any]]
MOST_BYTES = 1 << 30  # of the moments that are held at once; each round runs the graph on every input again
WIDEST = 8192  # inputs of a layer; its moment has the square of that
NUMBER_BYTES = 8
BATCH = 16  # samples in one run: adding to the moments costs more than the products for one sample


def moments(model: Any, layers: Sequence[Any], samples: Sequence[Inputs]) -> Iterator[tuple[str, Doubles]]:
    """Yields (friendly name, (n, n) moment) for those of `layers` that have one, nodes of the ov.Model.

    n is what one output of the layer sums over: the patch of a convolution, the last axis of a matrix
    product. Layers wider than `WIDEST`, grouped or dilated ones have none.
    """
    round_: list[Any] = []
    spent = 0
    for layer in layers:
        width = _width(layer)
        if not width:
            continue
        if round_ and spent + NUMBER_BYTES * width**2 > MOST_BYTES:
            yield from _summed(model, round_, samples)
            round_, spent = [], 0
        round_.append(layer)
        spent += NUMBER_BYTES * width**2
    if round_:
        yield from _summed(model, round_, samples)


def _width(layer: Any) -> int:
    """n, or 0 where a layer has no moment here."""
    shape = layer.input_value(1).get_shape()
    if layer.get_type_name() == "Convolution":
        plain = layer.get_attributes()["auto_pad"] == "explicit" and set(
            layer.get_attributes()["dilations"]
        ) == {1}
        width = int(np.prod(shape[1:])) if plain and len(shape) == 4 else 0
    else:
        plain = layer.get_attributes() == {"transpose_a": False, "transpose_b": True}
        width = int(shape[1]) if plain and len(shape) == 2 and layer.get_type_name() == "MatMul" else 0
    return width if width <= WIDEST else 0


def _summed(model: Any, layers: Sequence[Any], samples: Sequence[Inputs]) -> Iterator[tuple[str, Doubles]]:
    entries = list(dict.fromkeys(layer.input_value(0) for layer in layers))
    seen = ov.Model([ov.opset13.result(entry) for entry in entries], model.get_parameters())
    compiled = ov.Core().compile_model(seen, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    totals = [np.zeros((_width(layer),) * 2) for layer in layers]
    for first in range(0, len(samples), BATCH):
        several = samples[first : first + BATCH]
        request.infer({name: np.concatenate([sample[name] for sample in several]) for name in several[0]})
        for layer, total in zip(layers, totals, strict=True):
            x = np.array(request.get_output_tensor(entries.index(layer.input_value(0))).data)
            rows = _rows(layer, x)
            total += rows.T @ rows
    return zip((layer.get_friendly_name() for layer in layers), totals, strict=True)


def _rows(layer: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """(positions, n): what each output of a layer is a product of with its weights."""
    if layer.get_type_name() == "MatMul":
        return x.reshape(-1, x.shape[-1])
    attributes, kernel = layer.get_attributes(), layer.input_value(1).get_shape()[2:]
    sides = zip(attributes["pads_begin"], attributes["pads_end"], strict=True)
    padded = np.pad(x, ((0, 0), (0, 0), *sides))
    patches = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel), axis=(2, 3))
    down, across = attributes["strides"]
    patches = patches[:, :, ::down, ::across]
    return patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * kernel[0] * kernel[1])
