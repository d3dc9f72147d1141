"""Streams: the conditional and the unconditional pass side by side, each on its share of the threads."""

from __future__ import annotations

from burnish.build.technique import Technique
from burnish.core.model import Device, ModelCard
from burnish.core.plan import EVERYWHERE, Plan


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if plan.streams == 1:
        return ""
    if card.guidance != "classifier-free":
        return "this model has one pass a call"
    if plan.guidance_scale == 1.0 or plan.guidance_interval != EVERYWHERE:
        return "a call without guidance has one pass, which would leave half of the threads idle"
    if plan.weights:  # `python -m benchmarks.decoder` counts how often
        return "OpenVINO at times unpacks stored weights wrongly for two streams (decision 23)"
    return ""


TECHNIQUE = Technique(
    name="streams",
    fields=("streams", "weights"),
    effect="Threads of one small pass wait for each other; two passes at once wait less.",
    cost="memory for the features of two passes; less is gained the larger the model's layers are",
    paper="OpenVINO documentation, High-level Performance Hints: streams and threads",
    refusal=_refusal,
)
