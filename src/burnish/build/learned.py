"""Learned schedule: timesteps and solver numbers fitted to the model's own trajectories of many calls."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.build import guidance, solver
from burnish.build.calibration import PROMPTS, Conditions
from burnish.build.exact import exact_pipeline
from burnish.build.technique import Technique
from burnish.core.errors import BundleError, ProgramError, PromptCutWarning
from burnish.core.files import digest_text, write_bytes
from burnish.core.model import Device, ModelCard
from burnish.core.noise import noise
from burnish.core.plan import EVERYWHERE, Plan
from burnish.core.program import Program, Row
from burnish.program.fit import Fitted
from burnish.program.fit import fit as fit_table
from burnish.program.trajectories import Denoise, Report, Single, Trajectories, follow, require_teacher
from burnish.runtime import Pipeline, Request

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

FEWEST, MOST = 3, 12  # calls; with more the best solvers are as near
TEACHER = "DDIMScheduler"  # where the model's own scheduler draws noise, or calls at one timestep twice
TRAJECTORIES = 48
BATCH = 8  # SEARCHED is a whole number of them
SEED = 2**41  # far from the seeds that people, suites and calibration use
# What a fitted table must beat on its own trajectories; the first is the model's own scheduler.
RIVALS = (
    ("", ""),
    ("DPMSolverMultistepScheduler", ""),
    ("DPMSolverMultistepScheduler", "trailing"),
    ("UniPCMultistepScheduler", "trailing"),
)


def table(
    store: GraphStore,
    plan: Plan,
    conditions: Conditions,
    *,
    count: int = TRAJECTORIES,
    report: Report = lambda what, share: None,
) -> Program:
    """The fitted table of a plan, guided; fitted in fp32 the first time, then kept among the model's graphs.

    Neither precision nor cuts change it. Raises as `fit` does, and ModelError where fp32 cannot be built.
    """
    own = plan.model_dump(include={"num_inference_steps", "guidance_scale", "guidance_interval"})
    key = digest_text(json.dumps([own, conditions.model_dump(), count]))[:24]
    path = store.root / "learned" / f"{key}.json"
    with suppress(BundleError):
        return Program.read(path)
    plain = Plan.model_validate(own)
    with exact_pipeline(store, plain) as pipeline:
        kept = store.root / "trajectories"
        found = fit(pipeline, store.model.scheduler, plain, conditions, kept, count=count, report=report)
    found.program.save(path)
    return found.program


def fit(
    pipeline: Pipeline,
    scheduler: Any,
    plan: Plan,
    conditions: Conditions,
    folder: Path,
    *,
    count: int = TRAJECTORIES,
    report: Report = lambda what, share: None,
) -> Fitted:
    """The table of `plan.num_inference_steps` calls fitted to `count` trajectories of an open bundle.

    `scheduler` is the model's own; the teacher is guided in every call, the student as the plan says.
    `conditions` are prompts of a suite's selection part: what confirms a plan must not choose it. What the
    teacher's calls gave is kept below `folder`, a file a batch: an interrupted fit goes on from there, and
    fits of other numbers of calls use it again. Raises ProgramError where nothing can be fitted, OSError.
    """
    card = pipeline.bundle.model
    all_guided = plan.model_copy(update={"guidance_interval": EVERYWHERE})
    teacher = guidance.apply(teacher_table(scheduler, card), all_guided, card)
    rivals = _rivals(scheduler, plan, card)
    asked = requests(card, conditions, count)
    denoise = bound(pipeline, asked, [t for p in (teacher, *rivals) for t in p.timesteps])
    kept = Kept(folder=folder / _key(pipeline, teacher, asked[0]), program=teacher, denoise=denoise)
    trajectories = kept.trajectories(asked, card.latent_shape, report)
    weights = unfitted(plan, card).guidance
    return fit_table(trajectories, denoise, weights, seeds=rivals, report=report)


def teacher_table(scheduler: Any, card: ModelCard) -> Program:
    """The table of as many calls as the reference has: the model's own scheduler, or DDIM where that cannot
    teach; not guided yet.
    """
    steps = card.reference_steps
    with suppress(ProgramError):
        own = solver.read(scheduler, Plan(num_inference_steps=steps), card=card)
        require_teacher(own)
        return own
    return solver.read(scheduler, Plan(scheduler=TEACHER, num_inference_steps=steps), card=card)


def _rivals(scheduler: Any, plan: Plan, card: ModelCard) -> list[Program]:
    """Hand-made tables of as many calls, guided as the plan says; those that this model has."""
    found = []
    for name, spacing in RIVALS:
        change = {"scheduler": name, "timestep_spacing": spacing}
        with suppress(ProgramError):
            table = solver.read(scheduler, plan.model_copy(update=change), card=card)
            if table.calls == plan.num_inference_steps and not table.stochastic:
                found.append(guidance.apply(table, plan, card))
    return found


def unfitted(plan: Plan, card: ModelCard) -> Program:
    """A table of as many calls, guided as the plan says, that says what a fitted one costs and no more."""
    return guidance.apply(_plain(range(plan.num_inference_steps, 0, -1)), plan, card)


def _plain(timesteps: Sequence[float]) -> Program:
    """A table that says the timesteps and nothing else: it is never run."""
    n = len(timesteps)
    return Program(
        timesteps=tuple(timesteps),
        input_scale=(1.0,) * n,
        guidance=(1.0,) * n,
        estimate=((1.0, 0.0),) * n,
        rows=tuple(Row(start=1.0, outputs=(0.0,) * i) for i in range(n + 1)),
    )


def requests(card: ModelCard, conditions: Conditions, count: int) -> list[Request]:
    """`count` pictures in batches, each with its own seed: prompts in turn, or classes spread evenly."""
    prompts = conditions.prompts or PROMPTS
    labels = np.linspace(0, max(card.classes - 1, 0), count).round().astype(int)
    asked = []
    for first in range(0, count, BATCH):
        batch = range(first, min(first + BATCH, count))
        seeds = tuple(SEED + k for k in batch)
        if card.reads_text:
            asked.append(Request(seeds=seeds, prompts=tuple(prompts[k % len(prompts)] for k in batch)))
        elif card.classes:
            asked.append(Request(seeds=seeds, class_labels=tuple(int(labels[k]) for k in batch)))
        else:
            asked.append(Request(seeds=seeds))
    return asked


def bound(pipeline: Pipeline, asked: Sequence[Request], timesteps: Sequence[float]) -> Denoise:
    """The denoiser at any of `timesteps`, of pictures in whole batches of `asked`, counted through."""
    grid = sorted(set(timesteps), reverse=True)
    call_at = {timestep: i for i, timestep in enumerate(grid)}
    opened = pipeline.with_program(_plain(grid))
    begins = np.cumsum([0, *(request.count for request in asked)]).tolist()

    @cache
    def denoiser(batch: int) -> Callable[[int, Single, float], Single]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptCutWarning)  # what is cut off is the same for all tables
            return opened.denoiser(asked[batch])[1]

    def denoise(timestep: float, scaled: Single, weight: float, which: range) -> Single:
        first, last = begins.index(which.start), begins.index(which.stop)
        parts = np.split(scaled, [b - which.start for b in begins[first + 1 : last]])
        given = [denoiser(k)(call_at[timestep], x, weight) for k, x in enumerate(parts, first)]
        return np.concatenate(given)

    return denoise


def _key(pipeline: Pipeline, teacher: Program, first: Request) -> str:
    """What names trajectories: the graphs and texts' tokens, the table, and what is asked first."""
    bundle = pipeline.bundle
    own = {bundle.program, bundle.starts}
    files = sorted(f"{name} {found}" for name, found in bundle.files.items() if name not in own)
    precisions = [graph.precision for graph in bundle.graphs]
    asked = [list(first.prompts), list(first.class_labels), bundle.plan.guidance_scale]
    return digest_text(json.dumps([files, precisions, teacher.model_dump(mode="json"), asked]))[:24]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Trajectories in a folder, a file a batch, each written whole."""

    folder: Path
    program: Program
    denoise: Denoise

    def trajectories(self, asked: Sequence[Request], shape: tuple[int, ...], report: Report) -> Trajectories:
        """All of them; those that are not there yet, or not as they should be, are run now."""
        starts, outputs, begin = list[Single](), list[Single](), 0
        for request in asked:
            report("trajectories", begin / sum(r.count for r in asked))
            which = range(begin, begin + request.count)
            starts.append(noise(request.seeds, shape))
            outputs.append(self._batch(request, starts[-1], which))
            begin = which.stop
        report("trajectories", 1.0)
        return Trajectories(
            program=self.program, start=np.concatenate(starts), outputs=np.concatenate(outputs, axis=1)
        )

    def _batch(self, request: Request, start: Single, which: range) -> Single:
        said = json.dumps([request.seeds, request.prompts, request.class_labels])
        path = self.folder / f"{digest_text(said)[:24]}.npz"
        found = _read(path, (self.program.calls, *start.shape))
        if found is not None:
            return found
        outputs = follow(self.program, start, self.denoise, which)
        file = io.BytesIO()
        np.savez(file, outputs=outputs)
        write_bytes(path, file.getvalue())
        return outputs


def _read(path: Path, shape: tuple[int, ...]) -> Single | None:
    """The outputs in a file; None where there are none of this shape, all finite."""
    try:
        with np.load(path, allow_pickle=False) as file:
            outputs: Single = file["outputs"]
    except Exception:  # zipfile, zlib and numpy raise errors of many kinds for a damaged file
        return None
    sound = outputs.dtype == np.float32 and outputs.shape == shape and np.isfinite(outputs).all()
    return outputs if sound else None


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if not plan.learned:
        return ""
    if not FEWEST <= plan.num_inference_steps <= MOST:
        return f"tables of {FEWEST} to {MOST} calls are fitted, not of {plan.num_inference_steps}"
    if plan.scheduler or plan.timestep_spacing:
        return "a fitted table has timesteps of its own and no scheduler"
    return ""


TECHNIQUE = Technique(
    name="learned",
    fields=("learned", "num_inference_steps", "scheduler", "timestep_spacing"),
    effect="Timesteps and solver numbers fitted to this model, with this guidance, need fewer calls.",
    cost=f"{TRAJECTORIES} trajectories of up to 50 calls, kept; a fit of N calls costs N/5 of those",
    paper="Tong et al., LD3, arXiv 2405.15506; Frankel et al., S4S, arXiv 2502.17423",
    refusal=_refusal,
)
