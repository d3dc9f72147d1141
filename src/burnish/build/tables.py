"""The tables of a plan: read from a scheduler, or fitted to what the model computes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from burnish.build import caching, guidance, learned, solver
from burnish.build.calibration import Conditions
from burnish.build.techniques import check_plan
from burnish.core.errors import ProgramError
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.core.progress import Report
from burnish.load import OpenedModel

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

MOST_STARTS = 64  # image-to-image tables grow with the cube of the calls
DETERMINISTIC = "DDIMScheduler"


def reference_plan(model: OpenedModel) -> Plan:
    """The model with its own scheduler, and the steps and guidance that its pipeline has by default.

    At most 50 steps, in fp32, and without the clipping that some schedulers do and no table has (decision
    5). Where its own scheduler draws fresh noise at every step, DDIM on the same noise schedule (decision
    10).
    """
    card = model.card
    plan = Plan(num_inference_steps=card.reference_steps, guidance_scale=card.guidance_scale)
    if not plan_program(model, plan).stochastic:
        return plan
    return plan.model_copy(update={"scheduler": DETERMINISTIC})


def plan_program(model: OpenedModel, plan: Plan, start: int = 0) -> Program:
    """The table of a plan, with its guidance; raises PlanError, ProgramError."""
    check_plan(plan, model.card)
    return guidance.apply(solver.read(model.scheduler, plan, start, model.card), plan, model.card)


def plan_starts(model: OpenedModel, plan: Plan) -> tuple[Program, ...]:
    """The image-to-image tables from each later step on; none where the scheduler has none, or too many.

    Each is guided as the end of the whole table is: what is guided depends on how much noise is left. They
    are the scheduler's own also where the whole is fitted: no trajectory of the fit began with a picture.
    """
    whole = plan_program(model, plan)
    if whole.calls > MOST_STARTS:
        return ()
    starts = []
    with contextlib.suppress(ProgramError):
        for step in range(1, plan.num_inference_steps):
            start = plan_program(model, plan, step)
            starts.append(start.model_copy(update={"guidance": whole.guidance[-start.calls :]}))
        return tuple(starts)
    return ()


def fitted_program(
    store: GraphStore, plan: Plan, conditions: Conditions, report: Report = lambda what, share: None
) -> Program:
    """The table of a plan, fitted to what the model computes where the plan says so, and then kept.

    Timesteps and W come first, then which of those calls compute deep features. `conditions` are the prompts
    that they are fitted to. Raises PlanError, ProgramError, ModelError, OSError.
    """
    check_plan(plan, store.model.card)
    if plan.learned:
        program = learned.table(store, plan, conditions, report=report)
    else:
        program = plan_program(store.model, plan)
    if plan.fresh_calls:
        program = caching.table(store, plan, program, conditions)
    return program
