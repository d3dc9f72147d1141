"""Precision: what each graph computes in, and never a type that this device makes slower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.build.technique import Technique
from burnish.core.bundle import Role
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.graphs import kept, quantize, split_shortcuts
from burnish.graphs.quantize import Inputs

# The text encoder runs once a text and is read once, so that less exact products gain nothing there.
OF_ROLE: dict[Precision, dict[Role, Precision]] = {
    "fp32": {},
    "bf16": {"denoiser": "bf16", "decoder": "bf16"},
    "int8": {"denoiser": "int8", "decoder": "int8"},
}
# What a decoder's pixels lose most by: 50 dB from exact without them, 41 with (decision 23).
ENDS = ("post_quant_conv", "conv_in", "conv_out")


def precision_of(plan: Plan, role: Role) -> Precision:
    """The precision of one graph under a plan; the portable runtimes have no decoder in int8."""
    found = OF_ROLE[plan.precision].get(role, "fp32")
    return "bf16" if (role, found) == ("decoder", "int8") and plan.runtime != "openvino" else found


def quantized(model: Any, samples: Sequence[Inputs], floating: float) -> Any:
    """A copy of the ov.Model in int8 with the ranges of `samples`; the share `floating` of layers stays."""
    split = split_shortcuts(model)
    return quantize(split, samples, keep=kept(split, samples, floating))


def quantized_decoder(model: Any, samples: Sequence[Inputs]) -> Any:
    """A copy of the ov.Model in int8 but for the convolutions at its ends, named as diffusers names them."""
    names = [op.get_friendly_name() for op in model.get_ops() if op.get_type_name() == "Convolution"]
    return quantize(model, samples, keep=[n for n in names if any(f".{end}/" in n for end in ENDS)])


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if plan.floating and plan.precision != "int8":
        return f"nothing but int8 leaves layers as they are, and precision is {plan.precision}"
    if device is not None and plan.precision != "fp32" and device.slow(plan.precision):
        rate = device.gops
        return (
            f"{plan.precision} is no faster than fp32 on this device "
            f"({getattr(rate, plan.precision):.0f} against {rate.fp32:.0f} billion operations a second)"
        )
    return ""


TECHNIQUE = Technique(
    name="precision",
    fields=("precision", "floating"),
    effect="int8 and bf16 matrix products take a fraction of the time of fp32 where the device has them.",
    cost="int8: 128 inputs from the model's own trajectories, half a minute on the icons model; "
    "a minute more to find the sensitive layers",
    paper="Li et al., Q-Diffusion, arXiv 2302.04304",
    refusal=_refusal,
)
