"""Fitted tables beside hand-made ones at the same cost, on prompts and seeds that no fit has seen.

    python -m benchmarks.learned [--pictures 32] [--threads 1]

The icons model in fp32, guidance 7.5. Fits see the suite's selection part; numbers are of its confirmation
part. `latents N` is the root mean square difference of the final latents from those of DDIM with N calls,
guided throughout, relative to them; `psnr N` the mean over pictures, in dB. The file is written
anew after each group of rows: those of one interval and number of calls.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from diffusers.schedulers import AysSchedules, DPMSolverMultistepScheduler

from benchmarks.ratios import publish
from burnish.api.models import MODELS, load, open_bundle
from burnish.build import guidance, learned, solver
from burnish.build.calibration import Conditions
from burnish.core.evidence import Suite
from burnish.core.files import cache_directory
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.measure.metrics.psnr import psnr
from burnish.program import read_program
from burnish.program.trajectories import relative
from burnish.runtime import Pipeline, Request
from burnish.runtime.sampler import sample

CALLS = (4, 6, 8, 10)
INTERVALS = ((0.0, 1.0), (0.0, 0.75), (0.0, 0.5))
HAND_MADE = {
    "DDIM": ("DDIMScheduler", ""),
    "DDIM, trailing": ("DDIMScheduler", "trailing"),
    "DPM-Solver++ 2M": ("DPMSolverMultistepScheduler", ""),
    "DPM-Solver++ 2M, trailing": ("DPMSolverMultistepScheduler", "trailing"),
    "UniPC, trailing": ("UniPCMultistepScheduler", "trailing"),
}
TRUTHS = (60, 50)
AYS = AysSchedules["StableDiffusionTimesteps"]
BATCH = 16
SUITE = MODELS / "icons-suite.json"


class Ays(DPMSolverMultistepScheduler):
    """DPM-Solver++ 2M at 10 timesteps published for Stable Diffusion (Sabour et al., arXiv 2404.14507)."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None) -> None:
        """Those 10, whatever is asked."""
        super().set_timesteps(timesteps=AYS, device=device)


def plan_of(calls: int, interval: tuple[float, float] = (0.0, 1.0), **changes: Any) -> Plan:
    return Plan(num_inference_steps=calls, guidance_scale=7.5, guidance_interval=interval, **changes)


def tables(model: Any, plan: Plan) -> Iterator[tuple[str, Program]]:
    """Hand-made tables by name, guided as the plan says."""
    for name, (scheduler, spacing) in HAND_MADE.items():
        change = {"scheduler": scheduler, "timestep_spacing": spacing}
        table = solver.read(model.scheduler, plan.model_copy(update=change))
        yield name, guidance.apply(table, plan, model.card)
    if plan.num_inference_steps == len(AYS):
        table = read_program(Ays.from_config(model.scheduler.config), len(AYS))
        yield "DPM-Solver++ 2M, AYS", guidance.apply(table, plan, model.card)


def drawn(pipeline: Pipeline, program: Program, asked: list[Request]) -> tuple[np.ndarray, np.ndarray]:
    """Final latents and pictures of a table."""
    opened, latents = pipeline.with_program(program), []
    for request in asked:
        start, bound = opened.denoiser(request)
        *_, (_, end, _) = sample(program, start, partial(_called, bound), partial(np.zeros_like, start))
        latents.append(end)
    whole = np.concatenate(latents)
    return whole, pipeline._pixels(whole)


def _called(bound: Any, i: int, state: np.ndarray, scaled: np.ndarray) -> np.ndarray:
    return bound(i, scaled)


def compared(ours: tuple[np.ndarray, np.ndarray], truths: dict[int, Any]) -> dict[str, float]:
    return {f"latents {n}": relative(ours[0], truths[n][0].astype(np.float64)) for n in TRUTHS} | {
        f"psnr {n}": float(psnr(ours[1], truths[n][1]).mean()) for n in TRUTHS
    }


def fitted(pipeline: Pipeline, model: Any, plan: Plan, prompts: tuple[str, ...]) -> tuple[Program, Any]:
    """The fitted table and what fitting took; trajectories are kept from fit to fit."""
    begin = time.perf_counter()
    folder = cache_directory() / "trajectories"
    found = learned.fit(pipeline, model.scheduler, plan, Conditions(prompts=prompts), folder)
    seconds = time.perf_counter() - begin
    return found.program, {"fit_s": seconds, "fit_images": found.images, "chosen": found.chosen}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    model, suite = load("icons"), Suite.read(SUITE)
    pipeline = Pipeline(open_bundle("icons").directory, threads=args.threads)
    chosen = [p.prompt for p in suite.confirmation[: args.pictures]]
    asked = [
        Request(seeds=tuple(range(k, k + len(part))), prompts=tuple(part))
        for k in range(0, len(chosen), BATCH)
        if (part := chosen[k : k + BATCH])
    ]
    truths = {}
    for n in TRUTHS:
        table = guidance.apply(solver.read(model.scheduler, plan_of(n)), plan_of(n), model.card)
        truths[n] = drawn(pipeline, table, asked)
    rows: list[dict[str, object]] = []
    for interval in INTERVALS:
        for calls in CALLS:
            plan = plan_of(calls, interval)
            prompts = tuple(p.prompt for p in suite.selection)
            where = {"guided": f"{interval[0]:g}-{interval[1]:g}", "calls": calls}
            for name, table in tables(model, plan):
                rows.append({"": name, **where, **compared(drawn(pipeline, table, asked), truths)})
            table, cost = fitted(pipeline, model, plan, prompts)
            found = compared(drawn(pipeline, table, asked), truths)
            rows.append({"": "fitted", **where, **found, **cost, "timesteps": list(table.timesteps)})
            publish("learned", rows, ())


if __name__ == "__main__":
    main()
