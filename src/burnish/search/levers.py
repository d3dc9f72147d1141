"""What each lever of a plan gives alone, and what the plan would be without it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from burnish.core.plan import Plan
from burnish.search.candidates import Candidate
from burnish.search.explore import Explorer
from burnish.search.proxy import PICTURES

LEVERS: dict[str, tuple[str, ...]] = {
    "solver and calls": ("scheduler", "timestep_spacing", "num_inference_steps", "learned"),
    "guidance": ("guidance_scale", "guidance_interval"),
    "caching": ("cut", "fresh_calls"),
    "token merging": ("token_merging",),
    "precision": ("precision", "floating"),
    "stored weights": ("weights",),
    "passes side by side": ("streams",),
}
MOST_SECONDS = 180.0  # that may be spent on running them


@dataclass(frozen=True, kw_only=True)
class Lever:
    """The original with this lever alone, and the plan without it; None where that cannot be.

    The error of what would take too long to run is infinite.
    """

    name: str
    alone: Candidate | None
    without: Candidate | None


def levers(explorer: Explorer, original: Plan, found: Plan) -> tuple[Lever, ...]:
    """Those that tell a plan from the original."""
    names = [name for name, fields in LEVERS.items() if _of(found, fields) != _of(original, fields)]
    pairs = [(_with(original, found, LEVERS[n]), _with(found, original, LEVERS[n])) for n in names]
    priced = [explorer.priced(plan) for pair in pairs for plan in pair]
    if sum(PICTURES * c.latency_s for c in priced if c is not None) < MOST_SECONDS:
        priced = explorer.run([plan for pair in pairs for plan in pair])
    return tuple(
        Lever(name=name, alone=priced[2 * k], without=priced[2 * k + 1]) for k, name in enumerate(names)
    )


def _of(plan: Plan, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in fields}


def _with(plan: Plan, other: Plan, fields: tuple[str, ...]) -> Plan:
    """`plan` with some fields of `other`; the share of its calls that are fresh stays."""
    changes = _of(other, fields)
    mixed = plan.model_copy(update=changes)
    if mixed.fresh_calls:
        source = other if "fresh_calls" in changes else plan
        share = source.fresh_calls / source.num_inference_steps
        mixed = mixed.model_copy(update={"fresh_calls": math.ceil(share * mixed.num_inference_steps)})
    return mixed
