"""Which plans are worth trying, cheapest first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

from burnish.build import check_plan, plan_program
from burnish.core.errors import PlanError, ProgramError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.core.program import Program
from burnish.load import OpenedModel
from burnish.search.costs import GraphSeconds

SOLVERS = ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler")
STEPS = (5, 6, 8, 10, 12, 15, 20, 25, 30, 40)
# Which part of the calls is guided; the text decides the picture early, so late guidance is left out first.
INTERVALS = ((0.0, 0.5), (0.0, 0.75), (0.0, 1.0))
PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plan, its table, and what it will cost on this machine."""

    plan: Plan
    program: Program
    latency_s: float


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


def candidates(
    model: OpenedModel, reference: Plan, seconds: Mapping[Precision, GraphSeconds]
) -> list[Candidate]:
    """Every plan that applies to the model, in order of cost."""
    guided = reference.guidance_scale != 1.0
    found = []
    for solver, steps, interval, precision in product(
        dict.fromkeys((*SOLVERS, reference.scheduler)),
        STEPS,
        INTERVALS if guided else INTERVALS[-1:],
        seconds,
    ):
        plan = reference.model_copy(
            update={
                "scheduler": solver,
                "num_inference_steps": steps,
                "guidance_interval": interval,
                "precision": precision,
            }
        )
        try:
            program = plan_program(model, plan)
        except (PlanError, ProgramError):
            continue  # e.g. a solver that this model's prediction type does not have
        found.append(Candidate(plan=plan, program=program, latency_s=seconds[precision].latency_s(program)))
    return sorted(found, key=lambda c: c.latency_s)


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
