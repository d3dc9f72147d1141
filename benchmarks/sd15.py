"""Stable Diffusion 1.5's shapes at 512 pixels against stock diffusers: speed, memory, disk and start.

    python -m benchmarks.sd15

The weights are random: this says nothing of quality, and no gate judges here. All is int8, with as many calls
as passed on the icons model, and with all fifty, deep features computed in a fifth of them. A stock
picture of fifty calls takes ten minutes, so pictures of few calls are timed on both sides, and a line through
them is read at the calls that a row has; of a cut denoiser the pieces are timed. Each row is a process of its
own.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.ratios import publish
from benchmarks.stock import disk_mib
from benchmarks.unet_call import FOLDER, compiled, directory_of, graphs_of, read, wires
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.files import directory_aside
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.measure.cost import ProcessCost, measure_cost, measure_first, measure_in_process

NAME = "sd15"
MODEL, BUNDLE, TABLES = FOLDER / NAME, FOLDER / f"{NAME}-bundle", FOLDER / f"{NAME}-tables.json"
SOLVER, SCALE, PROMPT = "UniPCMultistepScheduler", 7.5, "a red apple"
TIMED = (1, 3)  # calls of the pictures that a line is drawn through
STOCK_CALLS, CUT, FRESH = 50, 1, 1 / 5
Measure = Callable[[list[str]], ProcessCost]
REPEATS = {"stock": 1, "burnish": 3}


def make(calls: int) -> None:
    """The model, its int8 bundle where there is none yet, and tables of UniPC, which cost what fits do."""
    from burnish.build import GraphStore, build, plan_program
    from burnish.load import open_model, probe_device

    model = open_model(directory_of(NAME))
    plan = Plan(scheduler=SOLVER, num_inference_steps=calls, precision="int8")
    if not (BUNDLE / MANIFEST).is_file():
        with directory_aside(BUNDLE) as aside:
            build(GraphStore(model, FOLDER / "graphs"), plan, aside, device=probe_device())
    tables = {n: plan_program(model, plan.model_copy(update={"num_inference_steps": n})) for n in TIMED}
    TABLES.write_text(json.dumps({n: table.model_dump(mode="json") for n, table in tables.items()}))


def draw(kind: str) -> dict[str, float]:
    """Seconds from nothing to a first picture of one call, and of pictures of TIMED calls; in a child."""
    begun = time.perf_counter()
    once = {"stock": _stock, "burnish": _ours}[kind]()
    once(TIMED[0])
    found = {"first_s": time.perf_counter() - begun}
    for calls in TIMED:
        cost = measure_cost(partial(once, calls), REPEATS[kind], warmup=0)
        found |= {f"latency_s {calls}": cost.latency_s, f"cpu_s {calls}": cost.cpu_s}
    return found


def _stock() -> Callable[[int], object]:
    import torch

    from burnish.core.noise import noise
    from burnish.load import reference_pipeline

    pipeline = reference_pipeline(MODEL)
    latents = torch.from_numpy(noise((7,), (4, 64, 64)))
    return lambda calls: pipeline(PROMPT, num_inference_steps=calls, guidance_scale=SCALE, latents=latents)


def _ours() -> Callable[[int], object]:
    from burnish.runtime import Pipeline, Request

    tables = {int(n): Program.model_validate(t) for n, t in json.loads(TABLES.read_text()).items()}
    pipeline, request = Pipeline(BUNDLE), Request(seeds=(7,), prompts=(PROMPT,))
    return lambda calls: pipeline.with_program(tables[calls]).generate(request)


def pieces() -> dict[str, float]:
    """Seconds of each piece of a pass in int8, calibrated on two random inputs; in a child."""
    found: dict[str, float] = {}
    for role, (path, shapes) in graphs_of(NAME, "int8", CUT).items():
        request, given = compiled(read(path, shapes), "int8"), wires(shapes, 0)
        cost = measure_cost(partial(request.infer, given), 3)
        found |= {f"latency_s {role}": cost.latency_s, f"cpu_s {role}": cost.cpu_s}
    return found


def line(found: dict[str, float], key: str) -> tuple[float, float]:
    """Of a picture's cost, what does not depend on its calls, and what a call adds."""
    few, more = (found[f"{key} {n}"] for n in TIMED)
    call = (more - few) / (TIMED[1] - TIMED[0])
    return few - TIMED[0] * call, call


def row(
    name: str, kind: str, calls: int, found: dict[str, float], cut: dict[str, float] | None = None
) -> dict[str, object]:
    """A line of the table; a call of a `cut` denoiser is two passes of its pieces, few of them deep."""
    rest, call = line(found, "latency_s")
    costs = {}
    for key in ("latency_s", "cpu_s"):
        fixed, each = line(found, key)
        if cut:
            each = 2 * (cut[f"{key} down"] + cut[f"{key} up"] + FRESH * cut[f"{key} deep"])
        costs[key] = fixed + calls * each
    return {
        "": name,
        "calls": calls,
        **costs,
        "beyond the calls_s": rest,
        "peak_mib": found["peak_mib"],
        "first_peak_mib": found.get("first_peak_mib", found["peak_mib"]),
        "disk_mib": disk_mib({"stock": MODEL, "burnish": BUNDLE}[kind]),
        "cold to first picture, beyond its call_s": found["first_s"] - call,
    }


def child(kind: str, bundle: Path, measure: Measure = measure_in_process) -> dict[str, float]:
    """What a process of this module prints, with its peak memory."""
    argv = [sys.executable, "-m", "benchmarks.sd15", "--bundle", str(bundle), "--child", kind]
    whole = measure(argv)
    return json.loads(whole.output.strip().splitlines()[-1]) | {"peak_mib": whole.peak_mib}


def main() -> None:
    """Parses; a child does one thing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sd15")
    parser.add_argument("--bundle", type=Path, default=Path("out/icons"), help="whose calls are taken")
    parser.add_argument("--child", choices=("make", "pieces", *REPEATS))
    args = parser.parse_args()
    calls = Bundle.read(args.bundle / MANIFEST).plan.num_inference_steps
    if args.child == "make":
        make(calls)
        graphs_of(NAME, "int8", CUT)
        print("{}")
    elif args.child:
        print(json.dumps(pieces() if args.child == "pieces" else draw(args.child)))
    else:
        compare(args.bundle, calls)


def compare(bundle: Path, calls: int) -> None:
    """Measures and writes the table."""
    child("make", bundle)  # not within what is measured
    stock, cut = child("stock", bundle), child("pieces", bundle)
    first = child("burnish", bundle, measure_first)
    child("burnish", bundle)  # leaves compiled graphs, which the next opens
    ours = child("burnish", bundle) | {"first_peak_mib": first["peak_mib"]}
    publish(
        "sd15",
        [
            row("stock diffusers, fp32", "stock", STOCK_CALLS, stock),
            row("Burnish int8, the same calls", "burnish", STOCK_CALLS, ours),
            row("Burnish int8, the same calls, a fifth fresh", "burnish", STOCK_CALLS, ours, cut),
            row("Burnish int8, as many calls as passed on icons", "burnish", calls, ours),
        ],
        ("latency_s", "cpu_s", "peak_mib", "first_peak_mib", "disk_mib"),
    )


if __name__ == "__main__":
    main()
