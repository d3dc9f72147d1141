"""How the cost of a picture grows with calls, pixels, batch and cores, and with which slope.

    python -m benchmarks.growth [--bundle out/icons]

The bundle's graphs run tables of UniPC, so that calls may be any number. A slope is that of the logarithm of
CPU-seconds over the logarithm of what grows, by least squares: 1 means in proportion. Of batch and cores it
is that of wall seconds for the whole, so that cores which all pay would have -1.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.ratios import RESULTS, publish
from burnish.build import plan_program
from burnish.core.plan import Plan
from burnish.load import open_model, resolve
from burnish.measure.cost import Cost, measure_cost
from burnish.report.plot import CSS, Line, Plot, draw, legend
from burnish.runtime import Pipeline, Request

CALLS, SIDES, BATCHES = (4, 8, 16, 32), (32, 64, 96, 128), (1, 2, 4, 8, 16)
CALLS_FIXED, SIDE, PROMPT = 8, 64, "red apple, noto style"
REPEATS = 5
Point = tuple[float, Callable[[], object]]  # what grows, and a run of it


def points(bundle: Path) -> Iterator[tuple[str, list[Point]]]:
    """Of each thing that grows, its values with what runs at them."""
    model, whole = open_model(resolve("icons")), Pipeline(bundle)
    plan = whole.bundle.plan.model_copy(update={"learned": False, "scheduler": "UniPCMultistepScheduler"})

    def at(
        pipeline: Pipeline, calls: int = CALLS_FIXED, side: int = SIDE, batch: int = 1
    ) -> Callable[[], object]:
        table = Plan(**{**plan.model_dump(exclude={"schema_version"}), "num_inference_steps": calls})
        bench = pipeline.with_program(plan_program(model, table))
        request = Request(seeds=tuple(range(batch)), prompts=(PROMPT,), height=side, width=side)
        return lambda: bench.generate(request)

    yield "calls", [(n, at(whole, calls=n)) for n in CALLS]
    yield "pixels", [(side * side, at(whole, side=side)) for side in SIDES]
    yield "batch", [(n, at(whole, batch=n)) for n in BATCHES]
    cores = range(1, len(os.sched_getaffinity(0)) + 1)
    yield "cores", [(n, at(Pipeline(bundle, threads=n, streams=min(n, 2)))) for n in cores]


def slope(xs: list[float], ys: list[float]) -> float:
    """Of log y over log x."""
    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0]) if len(xs) > 1 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path, default=Path("out/icons"))
    rows: list[dict[str, object]] = []
    lines: list[Line] = []
    names: list[str] = []
    for name, runs in points(parser.parse_args().bundle):
        costs: list[Cost] = [measure_cost(run, REPEATS) for _, run in runs]
        seconds = [c.latency_s if name in ("batch", "cores") else c.cpu_s for c in costs]
        grows = [float(x) for x, _ in runs]
        found = slope(grows, seconds)
        for x, cost in zip(grows, costs, strict=True):
            rows.append(
                {"": f"{name} {x:.0f}", "latency_s": cost.latency_s, "cpu_s": cost.cpu_s, "slope": found}
            )
        lines.append(
            Line(key=len(lines), points=[(x / grows[0], s) for x, s in zip(grows, seconds, strict=True)])
        )
        names.append(f"{name}, from {grows[0]:.0f}: slope {found:.2f}")
    publish("growth", rows, ())
    plot = Plot(
        x_label="times as much",
        y_label="seconds",
        told="Seconds over calls, pixels, batch and cores, each as a multiple of its least",
        lines=lines,
        show_x=lambda value: f"{value:g}",
        show_y=lambda value: f"{value:g} s",
    )
    style = ":root{--ink:#222;--soft:#555;--paper:#fff;--line:#ccc}" + CSS
    page = f"<!doctype html><meta charset=utf-8><style>{style}</style>"
    (RESULTS / "growth.html").write_text(page + draw(plot) + legend(names), encoding="utf-8")


if __name__ == "__main__":
    main()
