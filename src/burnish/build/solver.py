"""Solver and number of calls: another table for the same denoiser."""

from __future__ import annotations

import difflib
import json
from functools import lru_cache
from typing import Any

from burnish.build.technique import Technique
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.load import step_arguments
from burnish.program import make_scheduler, read_program, scheduler_names

# A clipped step is no linear step. Few-call solvers on latents are used without; where a model's own
# scheduler clips, it is read without, and the Program's source says so.
NOT_LINEAR = {"clip_sample": False, "thresholding": False}


def scheduler_of(own: Any, plan: Plan) -> Any:
    """The diffusers scheduler a plan asks for, with the model's own noise schedule; raises ProgramError."""
    clips = {key: False for key in NOT_LINEAR if own.config.get(key)}
    changes = {"timestep_spacing": plan.timestep_spacing} if plan.timestep_spacing else {}
    if not plan.scheduler and not clips and not changes:
        return own
    # In the config, not as a change: most solvers have no such setting, and leave it out.
    return make_scheduler(plan.scheduler or type(own).__name__, {**own.config, **clips}, **changes)


def read(own: Any, plan: Plan, start: int = 0, card: ModelCard | None = None) -> Program:
    """The plan's table, unguided; `start` > 0 is its image-to-image table from that row on."""
    scheduler = scheduler_of(own, plan)
    config = json.dumps(dict(scheduler.config), sort_keys=True, default=str)
    count = plan.num_inference_steps
    arguments = step_arguments(card, scheduler, count) if card else {}
    program = _read(type(scheduler).__name__, config, count, start, json.dumps(arguments))
    if any(own.config.get(key) for key in NOT_LINEAR):
        return program.model_copy(
            update={"source": f"{program.source}, without the clipping of the original"}
        )
    return program


@lru_cache(maxsize=256)
def _read(name: str, config: str, num_inference_steps: int, start: int, arguments: str) -> Program:
    """Reading verifies, which costs up to a tenth of a second; plans differ mostly in what no table holds."""
    scheduler = make_scheduler(name, json.loads(config))
    return read_program(scheduler, num_inference_steps, start=start, arguments=json.loads(arguments))


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    names = scheduler_names()
    if plan.scheduler and plan.scheduler not in names:
        near = difflib.get_close_matches(plan.scheduler, names, n=3, cutoff=0.4)
        return f"diffusers has no scheduler {plan.scheduler!r}; the nearest are {', '.join(near or names)}"
    return ""


TECHNIQUE = Technique(
    name="solver",
    fields=("scheduler", "timestep_spacing", "num_inference_steps"),
    effect="Higher-order solvers reach the same picture in fewer denoiser calls.",
    cost="milliseconds: the table is read from the scheduler",
    paper="Lu et al., DPM-Solver++, arXiv 2211.01095; Zhao et al., UniPC, arXiv 2302.04867",
    refusal=_refusal,
)
