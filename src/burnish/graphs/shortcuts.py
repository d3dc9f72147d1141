"""Convolutions of a concatenation as sums of convolutions, so that int8 scales each part by itself.

A UNet's up blocks concatenate what comes from below with a skip, whose ranges differ, and NNCF gives the
inputs of a Concat one scale. A convolution is linear in its input channels, so conv(cat(a, b)) is
conv_a(a) + conv_b(b): the same function, each part with a scale of its own (Li et al., Q-Diffusion, arXiv
2302.04304, section 4.2, quantizes the parts apart). In diffusers' resnets only `conv_shortcut` reads the
raw concatenation; the other convolution reads its normalisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from openvino import opset13 as ops

CHANNELS = 1  # of NCHW, and of a convolution's weights (out, in, height, width)


def split_shortcuts(model: Any) -> Any:
    """A copy of the ov.Model whose convolutions of a concatenation are sums of one convolution a part.

    The parts are named as the convolution was, with "/part_0", "/part_1" and so on behind. Equal to the
    model up to the order of sums. Their weights are fp32 numbers, rounded no further: saved in half precision
    they are what they were. A model without such convolutions comes back as an equal copy.
    """
    copy = model.clone()
    for node in copy.get_ordered_ops():
        if node.get_type_name() == "Convolution" and _widths(node):
            node.output(0).replace(_sum_of_parts(node).output(0))
    return copy


def _widths(convolution: Any) -> list[int]:
    """The channels of each part where the input is a concatenation along them, all known; otherwise []."""
    parts = convolution.input_value(0).get_node()
    if parts.get_type_name() != "Concat" or _weight(convolution) is None:
        return []
    if parts.get_attributes()["axis"] not in (CHANNELS, CHANNELS - 4):
        return []
    found = [value.get_partial_shape()[CHANNELS] for value in parts.input_values()]
    return [d.get_length() for d in found] if all(d.is_static for d in found) else []


def _weight(convolution: Any) -> Any:
    """The constant that holds the weights, in whatever floating type; None where they are computed."""
    node = convolution.input_value(1).get_node()
    if node.get_type_name() == "Convert":  # stored in half precision
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or not node.get_element_type().is_real():
        return None
    return node


def _sum_of_parts(convolution: Any) -> Any:
    whole = np.array(_weight(convolution).data, dtype=np.float32)
    total, first = None, 0
    parts = convolution.input_value(0).get_node().input_values()
    for k, (part, width) in enumerate(zip(parts, _widths(convolution), strict=True)):
        weight = ops.constant(np.ascontiguousarray(whole[:, first : first + width]))
        one = ops.convolution(part, weight, **convolution.get_attributes())
        one.set_friendly_name(f"{convolution.get_friendly_name()}/part_{k}")
        total = one if total is None else ops.add(total, one)
        first += width
    return total
