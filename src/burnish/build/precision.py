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

# Text encoder and decoder run once a picture. The decoder draws the pixels that are looked at, so int8, which
# is not measured for it yet, stops at the denoiser.
OF_ROLE: dict[Precision, dict[Role, Precision]] = {
    "fp32": {},
    "bf16": {"denoiser": "bf16", "decoder": "bf16"},
    "int8": {"denoiser": "int8", "decoder": "bf16"},
}


def precision_of(plan: Plan, role: Role) -> Precision:
    """The precision of one graph under a plan."""
    return OF_ROLE[plan.precision].get(role, "fp32")


def quantized(model: Any, samples: Sequence[Inputs], floating: float) -> Any:
    """A copy of the ov.Model in int8 with the ranges of `samples`; the share `floating` of layers stays."""
    split = split_shortcuts(model)
    return quantize(split, samples, keep=kept(split, samples, floating))


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
