"""The techniques there are, and the check that a plan uses only what applies."""

from __future__ import annotations

from burnish.build import (
    caching,
    engines,
    guidance,
    learned,
    precision,
    solver,
    streams,
    token_merging,
    weights,
)
from burnish.core.errors import PlanError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan

TECHNIQUES = (
    solver.TECHNIQUE,
    learned.TECHNIQUE,
    guidance.TECHNIQUE,
    caching.TECHNIQUE,
    token_merging.TECHNIQUE,
    precision.TECHNIQUE,
    weights.TECHNIQUE,
    streams.TECHNIQUE,
    engines.TECHNIQUE,
)


def check_plan(plan: Plan, card: ModelCard, device: Device | None = None) -> None:
    """Raises PlanError naming the technique that does not apply and why."""
    for technique in TECHNIQUES:
        reason = technique.refusal(plan, card, device)
        if reason:
            raise PlanError(
                f"{technique.name} does not apply: {reason}", f"Change {' or '.join(technique.fields)}"
            )
