"""A plan with its table and what it costs on this machine, and which precisions are worth their loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from burnish.build import check_plan, plan_program
from burnish.core.errors import PlanError, ProgramError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.core.program import Program
from burnish.load import OpenedModel
from burnish.search.costs import GraphSeconds
from burnish.search.space import PRECISIONS

SAVES = 0.15  # of a pass: what a less exact precision must save to be tried


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plan, its table, and what it costs.

    `error` is how far its latents end from the original's of as much guidance, relative; infinite where that
    was not measured.
    """

    plan: Plan
    program: Program
    latency_s: float
    error: float = math.inf


def precisions(card: ModelCard, device: Device) -> tuple[Precision, ...]:
    """The two fastest that this device does not make slower; fp32 stands in where none is faster."""
    faster = [p for p in PRECISIONS if not _refused(Plan(precision=p), card, device)]
    return tuple(faster[:2])


def _refused(plan: Plan, card: ModelCard, device: Device) -> bool:
    try:
        check_plan(plan, card, device)
    except PlanError:
        return True
    return False


def worthwhile(seconds: Mapping[Precision, GraphSeconds]) -> tuple[Precision, ...]:
    """The precisions that are so much cheaper a pass than each more exact one, the fastest first.

    Less is not worth the loss, and within a measurement's noise, which should not choose.
    """
    kept: dict[Precision, GraphSeconds] = {}
    for precision in reversed(PRECISIONS):
        most = min((k.denoiser for k in kept.values()), default=math.inf) * (1 - SAVES)
        if precision in seconds and seconds[precision].denoiser <= most:
            kept[precision] = seconds[precision]
    return tuple(reversed(kept))


def fewer_calls(
    model: OpenedModel, reference: Plan, found: Candidate, seconds: GraphSeconds
) -> Candidate | None:
    """The control: the reference itself with as many calls as the candidate's time pays for."""
    for steps in range(reference.num_inference_steps - 1, 0, -1):
        plan = reference.model_copy(update={"num_inference_steps": steps})
        with suppress(ProgramError):  # some solvers have no table of one or two steps
            program = plan_program(model, plan)
            if seconds.latency_s(program) <= found.latency_s:
                return Candidate(plan=plan, program=program, latency_s=seconds.latency_s(program))
    return None
