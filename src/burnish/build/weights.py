"""Weights in 8 or 4 bits: less on disk, and no range of activations to find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.build.technique import Technique
from burnish.core.bundle import PIECES, WHOLE, Role
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Weights
from burnish.graphs.compress import compress
from burnish.graphs.moments import Inputs
from burnish.graphs.sensitivity import most_sensitive, sensitivity

# Graphs that nothing is recorded of, so that each weight goes to the nearest. That loses too much in 4 bits:
# pictures of icons are half as far off again with text encoder and decoder in 4 (decision 17).
NEAREST: tuple[Role, ...] = (
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
    "context",
    "modulation",
    "decoder",
    "image_encoder",
)
# The denoiser's own are rounded by `precision` where that is int8. What is not named here has next to none.
OF_ROLE: dict[Weights, dict[Role, Weights]] = {
    "": {},
    "int8": dict.fromkeys((*NEAREST, *WHOLE, *PIECES), "int8"),
    "int4": {**dict.fromkeys(NEAREST, "int8"), **dict.fromkeys((*WHOLE, *PIECES), "int4")},
}
EIGHT_BITS = 0.1  # of the layers of a graph in 4 bits, the most sensitive first, have 8


def weights_of(plan: Plan, role: Role) -> Weights:
    """The bits of one graph's weights under a plan; "" for those of its floating type.

    Where products are in int8, what has none of them has its weights in 8 bits too: next to that it loses
    nothing (decision 23).
    """
    return OF_ROLE["int8" if plan.precision == "int8" else plan.weights].get(role, "")


def compressed(model: Any, weights: Weights, samples: Sequence[Inputs] = ()) -> Any:
    """A copy of the ov.Model with its weights in 8 or 4 bits, or the very model where `weights` is "".

    4 bits are rounded so that each layer's outputs on `samples` of the inputs stay, and the layers that lose
    most by it have 8.
    """
    if not weights:
        return model
    if weights == "int8":
        return compress(model, weights)
    seeing = compress(model, weights, samples=samples)
    keep = most_sensitive(sensitivity(model, samples, seeing), EIGHT_BITS)
    return compress(model, weights, samples=samples, keep=keep)


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if plan.weights and plan.precision == "int8":
        return "precision int8 stores all weights in 8 bits by itself"
    return ""


TECHNIQUE = Technique(
    name="weights",
    fields=("weights", "precision"),
    effect="A half or a third of half precision on disk; memory and a pass are nearly as before.",
    cost="int8: seconds; int4: 128 inputs from the model's own trajectories, and four minutes of one core "
    "on the icons model to round by them and to find the sensitive layers",
    paper="Frantar et al., GPTQ, arXiv 2210.17323",
    refusal=_refusal,
)
