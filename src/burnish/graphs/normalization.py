"""Group normalisation in plain operators.

OpenVINO's fused fp32 kernel for GroupNormalization crashes the process while compiling some static shapes
(64 channels in 32 groups at 16x16, in 2026.4), and is not used at all in bf16 or beside int8. Reshape, MVN,
reshape, scale is what the plugin makes of it everywhere else.
"""

from __future__ import annotations

from typing import Any

from openvino import opset13 as ops

from burnish.graphs.constants import integers


def decompose_group_norms(model: Any) -> int:
    """Replaces every GroupNormalization of an ov.Model in place; returns how many there were."""
    found = [node for node in model.get_ordered_ops() if node.get_type_name() == "GroupNormalization"]
    for node in found:
        node.output(0).replace(_decomposed(node).output(0))
    return len(found)


def _decomposed(node: Any) -> Any:
    """(x - mean) / sqrt(variance + epsilon) within each group, then a scale and a shift per channel."""
    x, scale, shift = (node.input_value(k) for k in range(3))
    attributes = node.get_attributes()
    channels = x.get_partial_shape().rank.get_length()
    grouped = ops.reshape(x, integers(0, attributes["num_groups"], -1), special_zero=True)
    normal = ops.mvn(
        grouped,
        integers(2),
        normalize_variance=True,
        eps=attributes["epsilon"],
        eps_mode="INSIDE_SQRT",
    )
    whole = ops.reshape(normal, ops.shape_of(x, "i64"), special_zero=False)
    per_channel = integers(1, -1, *([1] * (channels - 2)))
    scaled = ops.multiply(whole, ops.reshape(scale, per_channel, special_zero=False))
    return ops.add(scaled, ops.reshape(shift, per_channel, special_zero=False))
