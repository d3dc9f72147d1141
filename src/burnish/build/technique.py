"""What a technique says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One lever. `refusal` gives the reason why a plan's use of it does not apply, or ""."""

    name: str
    fields: tuple[str, ...]  # of the Plan
    effect: str
    cost: str  # what building with it costs
    paper: str
    refusal: Callable[[Plan, ModelCard, Device | None], str]
