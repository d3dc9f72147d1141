"""Which plans are worth trying, cheapest first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from burnish.build import check_plan, plan_program
from burnish.build.learned import unfitted
from burnish.core.errors import PlanError, ProgramError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Floor, Plan, Precision
from burnish.core.program import Program
from burnish.load import OpenedModel
from burnish.search.costs import GraphSeconds

SOLVERS = ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler")
STEPS = (10, 12, 15, 20, 25, 30, 40)
# Of so few calls a fitted table is no worse than the best solver; what a fit takes grows with them.
FITTED_STEPS = (4, 5, 6, 8)
# How much of the guidance is left, beyond the conditional pass, and on which part of the calls. The text
# decides the picture early, so late guidance is left out first. Few steps of high order overshoot under a
# guidance that many bear (Lu et al., DPM-Solver++, section 3): a weaker one, where another picture will do.
SAME_PICTURE = ((1.0, (0.0, 0.5)), (1.0, (0.0, 0.75)), (1.0, (0.0, 1.0)))
GUIDANCE: dict[Floor, tuple[tuple[float, tuple[float, float]], ...]] = {
    "faithful": SAME_PICTURE,
    "equivalent": (*SAME_PICTURE, (0.6, (0.0, 1.0))),
}
SAVES = 0.3  # of a pass: what a less exact precision must save to be tried
PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "fp32")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A plan, its table, and what it will cost on this machine.

    Where the plan says `learned` the table is not fitted yet: it only says how many passes there are.
    """

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


def worthwhile(seconds: Mapping[Precision, GraphSeconds]) -> dict[Precision, GraphSeconds]:
    """The precisions that are three tenths cheaper a pass than each more exact one.

    Less is not worth the loss, and within a measurement's noise, which should not choose.
    """
    kept: dict[Precision, GraphSeconds] = {}
    for precision in reversed(PRECISIONS):
        most = min((k.denoiser for k in kept.values()), default=math.inf) * (1 - SAVES)
        if precision in seconds and seconds[precision].denoiser <= most:
            kept[precision] = seconds[precision]
    return kept


def candidates(
    model: OpenedModel, reference: Plan, seconds: Mapping[Precision, GraphSeconds], *, floor: Floor
) -> list[Candidate]:
    """Every plan that applies to the model and might meet `floor`, in order of cost."""
    scale, two = reference.guidance_scale, model.card.guidance == "classifier-free"
    found = []
    solvers = dict.fromkeys((*SOLVERS, reference.scheduler))
    fitted = {"learned": True, "scheduler": "", "timestep_spacing": ""}
    tables: list[dict[str, Any]] = [{**fitted, "num_inference_steps": n} for n in FITTED_STEPS]
    tables += [{"scheduler": name, "num_inference_steps": n} for name, n in product(solvers, STEPS)]
    for table, (part, interval), precision in product(
        tables, GUIDANCE[floor] if two and scale > 1 else SAME_PICTURE[-1:], seconds
    ):
        if "learned" in table and interval != (0.0, 1.0):
            continue  # of as many passes, fewer calls that are all guided are nearer (decision 16)
        guided = {"guidance_scale": scale - (1 - part) * (scale - 1), "guidance_interval": interval}
        plan = reference.model_copy(update={**table, **guided, "precision": precision})
        try:
            check_plan(plan, model.card)
            program = unfitted(plan, model.card) if plan.learned else plan_program(model, plan)
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
