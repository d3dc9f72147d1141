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
from pathlib import Path

from benchmarks.ratios import publish
from benchmarks.stock import disk_mib
from burnish.core.bundle import MANIFEST, Bundle, Graph
from burnish.core.files import directory_aside
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.measure.cost import ProcessCost, measure_cost, measure_first, measure_in_process

FOLDER = Path("runs/sd15")
MODEL, BUNDLE, TABLES = FOLDER / "model", FOLDER / "bundle", FOLDER / "tables.json"
SOLVER, SCALE, PROMPT = "UniPCMultistepScheduler", 7.5, "a red apple"
TIMED = (1, 3)  # calls of the pictures that a line is drawn through
STOCK_CALLS, CUT, FRESH = 50, 1, 1 / 5
Measure = Callable[[list[str]], ProcessCost]
REPEATS = {"stock": 1, "burnish": 3}


def make(calls: int) -> None:
    """The model, its int8 bundle where there is none yet, and tables of UniPC, which cost what fits do."""
    from benchmarks.peers.models import write_sd15
    from burnish.build import GraphStore, build, plan_program
    from burnish.build.calibration import Conditions
    from burnish.load import open_model, probe_device

    write_sd15(MODEL)
    model = open_model(MODEL)
    plan = Plan(scheduler=SOLVER, num_inference_steps=calls, precision="int8", weights="int8")
    if not (BUNDLE / MANIFEST).is_file():
        with directory_aside(BUNDLE) as aside:
            build(
                GraphStore(model, FOLDER / "graphs"),
                plan,
                aside,
                conditions=Conditions(),
                device=probe_device(),
            )
    tables = {n: plan_program(model, plan.model_copy(update={"num_inference_steps": n})) for n in TIMED}
    TABLES.write_text(json.dumps({n: table.model_dump(mode="json") for n, table in tables.items()}))


def draw(kind: str) -> dict[str, float]:
    """Seconds from nothing to a first picture of one call, and of pictures of TIMED calls; in a child."""
    begun = time.perf_counter()
    once = {"stock": _stock, "burnish": _ours}[kind]()
    once(TIMED[0])
    found = {"first_s": time.perf_counter() - begun}
    for calls in TIMED:
        cost = measure_cost(lambda calls=calls: once(calls), REPEATS[kind], warmup=0)
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
    """Seconds of each piece of a pass in int8, cut at the first depth; in a child.

    Calibrated on two random inputs: speed alone.
    """
    import numpy as np
    import openvino as ov

    from burnish.build import GraphStore
    from burnish.core.bundle import PIECES
    from burnish.load import open_model
    from burnish.runtime.graphs import INFERENCE_PRECISION

    store = GraphStore(open_model(MODEL), FOLDER / "graphs")
    known = {wire: shape for graph, _ in store.denoiser(CUT, "fp32") for wire, shape in graph.outputs.items()}
    known |= {"sample": store.model.card.latent_shape}
    rng = np.random.default_rng(0)

    def wires(graph: Graph) -> dict[str, np.ndarray]:
        return {w: rng.standard_normal((1, *known[w]), dtype=np.float32) for w in graph.inputs}

    few = {g.role: [wires(g), wires(g)] for g, _ in store.denoiser(CUT, "fp32") if g.role in PIECES}
    found: dict[str, float] = {}
    core, options = (
        ov.Core(),
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": INFERENCE_PRECISION["int8"]},
    )
    for graph, path in store.rounded(Plan(precision="int8", cut=CUT, fresh_calls=1), lambda: few, "random"):
        if graph.role in PIECES:
            model, given = core.read_model(path), wires(graph)
            model.reshape({wire: list(value.shape) for wire, value in given.items()})
            request = core.compile_model(model, "CPU", options).create_infer_request()
            cost = measure_cost(lambda request=request, given=given: request.infer(given), 3)
            found |= {f"latency_s {graph.role}": cost.latency_s, f"cpu_s {graph.role}": cost.cpu_s}
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
    """Makes what is measured, measures it and writes the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sd15")
    parser.add_argument("--bundle", type=Path, default=Path("out/icons"), help="whose calls are taken")
    parser.add_argument("--child", choices=("make", "pieces", *REPEATS))
    args = parser.parse_args()
    calls = Bundle.read(args.bundle / MANIFEST).plan.num_inference_steps
    if args.child == "make":
        make(calls)
    if args.child:
        found = pieces() if args.child == "pieces" else draw(args.child) if args.child in REPEATS else {}
        print(json.dumps(found))
        return
    child("make", args.bundle)  # not within what is measured
    stock, cut = child("stock", args.bundle), child("pieces", args.bundle)
    first = child("burnish", args.bundle, measure_first)
    child("burnish", args.bundle)  # leaves compiled graphs, which the next opens
    ours = child("burnish", args.bundle) | {"first_peak_mib": first["peak_mib"]}
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
