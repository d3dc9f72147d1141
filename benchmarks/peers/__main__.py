"""Peers on the same model, prompts and noise, in one run, judged by the same gate.

    python -m benchmarks.peers [--model icons|sd15] [--only NAME] [--prompts N] [--rounds N] [--again]
        [--keep]

Each peer runs in an environment of its own, each measurement in a process of its own; in every round the
baseline, stock diffusers, comes first and last, and ratios are taken within a round. What was drawn and timed
is kept under runs/peers, so a run that was stopped goes on. docs/peers.md says what is compared.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from benchmarks.peers import results, runs
from benchmarks.peers.models import write_icons, write_sd15
from benchmarks.peers.protocol import Job
from benchmarks.peers.runs import Bench, say
from benchmarks.peers.table import BASELINE, Row, rows
from benchmarks.peers.verdicts import first_prompts, judged, open_arena
from benchmarks.ratios import RESULTS
from burnish.api.models import inspect
from burnish.api.verdicts import default_suite
from burnish.core.bundle import MANIFEST
from burnish.core.errors import BurnishError
from burnish.core.evidence import Suite, Verdict
from burnish.core.plan import Plan

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "runs" / "peers"
TWENTY = Plan(scheduler="DPMSolverMultistepScheduler", num_inference_steps=20, precision="bf16")


def icons(prompts: int | None) -> tuple[Bench, Suite, list[Row]]:
    """The embedded model, with what `burnish optimize icons` made of it."""
    name = "icons" if prompts is None else "icons-try"
    model = KEPT / name / "model"
    write_icons(model)
    suite = first_prompts(default_suite(inspect("icons")), prompts)
    bundle = ROOT / "out" / "icons"
    if not (bundle / MANIFEST).is_file():
        raise BurnishError(f"{bundle} is no bundle", "Run: burnish optimize icons -o out/icons")
    return _bench(name, model, suite), suite, rows([bundle])


def sd15(prompts: int | None) -> tuple[Bench, Suite, list[Row]]:
    """Stable Diffusion 1.5's shapes, one picture, few calls timed."""
    from burnish.api import build

    model = KEPT / "sd15" / "model"
    write_sd15(model)
    bundle = KEPT / "sd15" / "bundle"
    if not bundle.exists():
        say("building a bundle of the same twenty calls")
        build(model, TWENTY, bundle)
    suite = first_prompts(default_suite(inspect(model)), 1)
    asked = [
        Row(r.name, r.environment, r.script, r.options, r.prepares, (1,), r.note) for r in rows([bundle])
    ]
    return _bench("sd15", model, suite), suite, asked


def _bench(name: str, model: Path, suite: Suite) -> Bench:
    """A job of every prompt and seed."""
    card = inspect(model)
    asked = [(p.prompt, seed) for p in suite.confirmation for seed in suite.seeds]
    job = Job(
        model=model,
        card=card,
        prompts=tuple(prompt for prompt, _ in asked),
        seeds=tuple(seed for _, seed in asked),
        captions=tuple(p.prompt for p in suite.selection),
    )
    few = name == "sd15"
    return Bench(
        job=job,
        folder=KEPT / name,
        environments=KEPT / "environments",
        few_calls=few,
        repeats=1 if few else 2,
    )


MODELS = {"icons": icons, "sd15": sd15}


def compare(model: str, only: str, prompts: int | None, rounds: int, again: bool) -> bool:
    """Runs what is not done and writes the results; whether every row is finished."""
    bench, suite, every = MODELS[model](prompts)
    chosen = [row for row in every if only.lower() in row.name.lower()]
    if not chosen:
        raise BurnishError(f"no peer is named like {only!r}", "Names: " + "; ".join(r.name for r in every))
    if again:
        bench.forget(chosen)
    pictures = model == "icons"
    drawn = runs.draw_all(bench, chosen, pictures)
    baseline = [row for row in every if row.name == BASELINE and row not in chosen]
    runs.take_turns(bench, [*baseline, *chosen], rounds)
    name = "peers" if pictures else f"peers_{model}"
    name += "_try" if prompts and pictures else ""
    verdicts: dict[str, Verdict] = {}
    if pictures:
        drawn |= {r.name: bench.draw(r) for r in every if r not in chosen and bench.drawn(r)}
        verdicts = judge_all(suite, every, drawn, RESULTS / f"{name}.png")
    results.write(name, results.lines(bench, every, verdicts))
    return len(chosen) == len(every)


def judge_all(
    suite: Suite, every: list[Row], drawn: dict[str, list[runs.Pictures]], sheet: Path
) -> dict[str, Verdict]:
    """Every row's verdict by its name, and the sheet of all of them."""
    arena = open_arena("icons", suite, lambda what, _: None)
    results.write_sheet(sheet, [p.prompt for p in arena.prompts], arena.pictures, every, drawn)
    found = {}
    for name, pictures in drawn.items():
        found[name] = judged(arena, pictures)
        say(f"{found[name].outcome}: {name}")
    return found


def main() -> None:
    """Parses and runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers")
    parser.add_argument("--model", choices=sorted(MODELS), default="icons")
    parser.add_argument("--only", default="", metavar="NAME", help="rows whose name holds this")
    parser.add_argument("--prompts", type=int, help="the first so many confirmation prompts, to try it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--again", action="store_true", help="forget what is kept of the chosen rows")
    parser.add_argument("--keep", action="store_true", help="keep the environments (11 GiB) when all is done")
    asked = parser.parse_args()
    finished = compare(asked.model, asked.only, asked.prompts, asked.rounds, asked.again)
    if finished and not asked.keep:
        shutil.rmtree(KEPT / "environments", ignore_errors=True)


if __name__ == "__main__":
    main()
