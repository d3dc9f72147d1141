"""Deep features kept between calls: endpoint error with and without rows fitted to it, and under int8.

    python -m benchmarks.caching [--pictures 16] [--cut 2] [--calls 8 12 20] [--int8-calls 12]

The icons model, UniPC with trailing timesteps, guidance 7.5 in every call. Tables are fitted to the suite's
selection part; numbers are of its confirmation part. `error 50` is the root mean square difference of the
final latents from those of the model's own scheduler with 50 calls in fp32, relative to these; `error cached`
is that from the same cached table in fp32. `unet_cpu_s` is processor seconds a picture, of all denoiser
calls, in one run; other work on the machine is in it. Each `fewer calls` row has every call fresh, with as
many calls as take about the time of the cached row before it, by `unet_cpu_s`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.ratios import publish
from burnish.api.models import MODELS, store_of
from burnish.build import GraphStore, build, plan_program
from burnish.build.caching import refit_of, table
from burnish.build.calibration import Conditions
from burnish.build.exact import exact_pipeline
from burnish.core.evidence import Suite
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.program.trajectories import Array, combine, relative
from burnish.runtime import Pipeline, Request

REFERENCE = Plan(num_inference_steps=50, guidance_scale=7.5)
SOLVER = {"scheduler": "UniPCMultistepScheduler", "timestep_spacing": "trailing"}
BATCH = 8
Row = dict[str, object]


def drawn(pipeline: Pipeline, program: Program, asked: list[Request]) -> tuple[Array, float]:
    """Final latents of a table, and the processor seconds that a picture's denoiser calls took."""
    opened, ends, seconds = pipeline.with_program(program), [], 0.0
    for request in asked:
        start, denoise = opened.denoiser(request)
        outputs: list[np.ndarray] = []
        begin = time.process_time()
        for i, row in enumerate(program.rows[:-1]):
            state = combine(row, start, outputs)
            outputs.append(denoise(i, (program.input_scale[i] * state).astype(np.float32)))
        seconds += time.process_time() - begin
        ends.append(combine(program.rows[-1], start, outputs))
    return np.concatenate(ends), seconds / sum(request.count for request in asked)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """An open bundle of one cut in fp32, what is asked of it, and where 50 calls end."""

    store: GraphStore
    pipeline: Pipeline
    asked: list[Request]
    plan: Plan
    truth: Array

    def of(self, calls: int, fresh: int = 0) -> Plan:
        """The solver with so many calls; 0 fresh ones are all."""
        return self.plan.model_copy(
            update={**SOLVER, "num_inference_steps": calls, "fresh_calls": fresh * (fresh < calls)}
        )

    def row(self, name: str, program: Program) -> Row:
        """What a table costs and how far it ends from the truth."""
        found, seconds = drawn(self.pipeline, program, self.asked)
        fresh = sum(program.fresh(i) for i in range(program.calls))
        error = relative(found, self.truth)
        return {"": name, "calls": program.calls, "fresh": fresh, "error 50": error, "unet_cpu_s": seconds}


def by_calls(bench: Bench, calls: int, conditions: Conditions) -> Iterator[Row]:
    """Every call fresh, half of them with the solver's rows and with fitted ones, and fewer calls."""
    plan = bench.of(calls, calls // 2)
    own = plan_program(bench.store.model, plan)
    whole = bench.row("every call fresh", own)
    yield whole
    cached = table(bench.store, plan, own, conditions, refit=False)
    yield (row := bench.row("cached", cached))
    begin = time.perf_counter()
    fitted = refit_of(bench.pipeline, cached, conditions)
    seconds = time.perf_counter() - begin
    found = bench.row("cached, rows fitted", fitted.program)
    yield found | {"fit_s": seconds, "chosen": fitted.chosen}
    share = float(str(row["unet_cpu_s"])) / float(str(whole["unet_cpu_s"]))
    yield bench.row("fewer calls", plan_program(bench.store.model, bench.of(max(1, round(share * calls)))))


def in_int8(bench: Bench, calls: int, conditions: Conditions) -> Iterator[Row]:
    """The cached table in int8 graphs that were calibrated with every call fresh, and as the table runs."""
    plan = bench.of(calls, calls // 2)
    cached = table(bench.store, plan, plan_program(bench.store.model, plan), conditions)
    exact, _ = drawn(bench.pipeline, cached, bench.asked)
    ways = {"int8, calibrated with every call fresh": calls, "int8, calibrated cached": calls // 2}
    for name, fresh in ways.items():
        changed = bench.of(calls, fresh).model_copy(update={"precision": "int8"})
        with tempfile.TemporaryDirectory() as folder:
            build(bench.store, changed, Path(folder) / "int8", conditions=conditions)
            found, _ = drawn(Pipeline(Path(folder) / "int8", verify=False), cached, bench.asked)
        errors = {"error 50": relative(found, bench.truth), "error cached": relative(found, exact)}
        yield {"": name, "calls": calls, "fresh": calls // 2, **errors}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--cut", type=int, default=2)
    parser.add_argument("--calls", type=int, nargs="+", default=[8, 12, 20])
    parser.add_argument("--int8-calls", type=int, default=12, help="0 leaves int8 out")
    args = parser.parse_args()
    suite = Suite.read(MODELS / "icons-suite.json")
    conditions = Conditions(prompts=tuple(p.prompt for p in suite.selection))
    chosen = [p.prompt for p in suite.confirmation[: args.pictures]]
    asked = [
        Request(seeds=tuple(range(k, k + len(part))), prompts=tuple(part))
        for k in range(0, len(chosen), BATCH)
        if (part := chosen[k : k + BATCH])
    ]
    store, plan = store_of("icons"), REFERENCE.model_copy(update={"cut": args.cut})
    rows: list[Row] = []
    with exact_pipeline(store, plan) as pipeline:
        truth, _ = drawn(pipeline, plan_program(store.model, plan), asked)
        bench = Bench(store=store, pipeline=pipeline, asked=asked, plan=plan, truth=truth)
        for calls in args.calls:
            rows += by_calls(bench, calls, conditions)
            publish("caching", rows, ())
        if args.int8_calls:
            rows += in_int8(bench, args.int8_calls, conditions)
            publish("caching", rows, ())


if __name__ == "__main__":
    main()
