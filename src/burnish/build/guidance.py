"""Guidance interval: calls outside it run the conditional pass alone, which is half of their cost."""

from __future__ import annotations

from burnish.build.technique import Technique
from burnish.core.model import Device, ModelCard
from burnish.core.plan import EVERYWHERE, Plan
from burnish.core.program import Program
from burnish.program import guided


def apply(program: Program, plan: Plan, card: ModelCard) -> Program:
    """The program with the plan's guidance weight on the calls inside the interval."""
    scale = plan.guidance_scale if card.guidance == "classifier-free" else 1.0
    return guided(program, scale, plan.guidance_interval)


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if card.guidance != "classifier-free" and plan.guidance_interval != EVERYWHERE:
        return "this model has no second pass to leave out"
    low, high = plan.guidance_interval
    return "" if 0.0 <= low <= high <= 1.0 else f"guidance_interval {low:g}-{high:g} is not inside 0-1"


TECHNIQUE = Technique(
    name="guidance",
    fields=("guidance_scale", "guidance_interval"),
    effect="Guidance matters in the middle of the trajectory; elsewhere one pass a call suffices.",
    cost="none",
    paper="Kynkäänniemi et al., Applying Guidance in a Limited Interval, arXiv 2404.07724",
    refusal=_refusal,
)
