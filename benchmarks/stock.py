"""Bundles of the icons model against stock diffusers: same prompts, same initial noise, one run.

    python -m benchmarks.stock [--faithful DIR] [--equivalent DIR] [--same-calls DIR]

Stock is the model's own pipeline, 50 calls with guidance 7.5 in fp32, its default scheduler. Bundles are what
`burnish optimize icons --floor ...` writes, and `benchmarks.same_calls` of all fifty calls. Each row is a
process of its own; batch 1 and 16 interleave.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np

from benchmarks.ratios import publish
from burnish.core.bundle import MANIFEST, Bundle
from burnish.measure.cost import STOCK, measure_first, measure_in_process

ROUNDS = 3
COLD_RUNS = 5
BATCHES = (1, 16)
STARTS = ("cold_s", "first_s", "first_peak_mib")
COSTS = ("cpu_s", "latency_s", "peak_mib")
MODEL = Path(__file__).parents[1] / "src" / "burnish" / "models" / "icons"
PROMPTS = (
    "red apple, noto style",
    "guitar",
    "cat face, flat style",
    "rocket",
    "blue heart",
    "tent, blob style",
    "umbrella",
    "birthday cake, noto style",
    "fox, fluent style",
    "camera",
    "snowman",
    "anchor, fx style",
    "banana",
    "key, flat style",
    "ghost",
    "violin, noto style",
)


def run_stock(batch: int) -> dict[str, float]:
    """One batch with the diffusers pipeline; called in a child."""
    import torch

    from burnish.core.noise import noise
    from burnish.load import reference_pipeline
    from burnish.measure.cost import measure_cost

    pipeline = reference_pipeline(MODEL)
    latents = torch.from_numpy(noise(tuple(range(batch)), (4, 16, 16)))

    def once() -> None:
        pipeline(list(PROMPTS[:batch]), num_inference_steps=50, guidance_scale=7.5, latents=latents)

    cost = measure_cost(once, repeats=1 if batch > 1 else 2)
    return {"latency_s": cost.latency_s / batch, "cpu_s": cost.cpu_s / batch}


def run_bundle(batch: int, directory: Path) -> dict[str, float]:
    """One batch with a bundle; called in a child."""
    from burnish.measure.cost import measure_cost
    from burnish.runtime import Pipeline, Request

    pipeline = Pipeline(directory)
    request = Request(seeds=tuple(range(batch)), prompts=PROMPTS[:batch])

    def once() -> None:
        pipeline.generate(request)

    cost = measure_cost(once, repeats=5)
    return {"latency_s": cost.latency_s / batch, "cpu_s": cost.cpu_s / batch}


def child(subject: str, batch: int) -> dict[str, float]:
    """A measurement in a fresh process, with that process's peak memory."""
    whole = measure_in_process([sys.executable, "-m", "benchmarks.stock", "--child", subject, str(batch)])
    return json.loads(whole.output.strip().splitlines()[-1]) | {"peak_mib": whole.peak_mib}


def starts(subject: str) -> dict[str, float]:
    """Seconds from nothing to a picture, median of several processes; and the first time on a machine.

    The first time no compiled graph is kept. Stock diffusers keeps nothing, so each time is the first.
    """
    if subject == "stock":
        argv = [sys.executable, str(STOCK), str(MODEL), "stable-diffusion", "50", "7.5", "1"]
        runs = [measure_in_process(argv) for _ in range(COLD_RUNS)]
        seconds = [json.loads(run.output.strip().splitlines()[-1])["cold_start_s"] for run in runs]
        peaks = [run.peak_mib for run in runs]
        cold, peak = statistics.median(seconds), statistics.median(peaks)
        return {"cold_s": cold, "first_s": cold, "first_peak_mib": peak}
    argv = [sys.executable, "-m", "burnish", "generate", subject, PROMPTS[0], "-o", "/dev/shm/cold.png"]
    kept = [measure_in_process(argv).latency_s for _ in range(COLD_RUNS)]
    firsts = [measure_first(argv) for _ in range(COLD_RUNS)]
    return {
        "cold_s": statistics.median(kept),
        "first_s": statistics.median(f.latency_s for f in firsts),
        "first_peak_mib": statistics.median(f.peak_mib for f in firsts),
    }


def disk_mib(directory: Path) -> float:
    """What must be on disk to make pictures; evidence is not."""
    files = [p for p in directory.rglob("*") if p.is_file() and "evidence" not in p.parts]
    return sum(p.stat().st_size for p in files) / 2**20


def row(name: str, subject: str, runs: dict[tuple[str, int], list[dict[str, float]]]) -> dict[str, object]:
    """One line of the table: medians over the rounds, disk and cold start."""
    bundle = None if subject == "stock" else Bundle.read(Path(subject) / MANIFEST)
    medians = {
        f"{key} b{batch}": float(np.median([r[key] for r in runs[name, batch]]))
        for batch in BATCHES
        for key in COSTS
    }
    return {
        "": name,
        "verdict": bundle.verdict.outcome if bundle and bundle.verdict else "-",
        "plan": bundle.plan.describe() if bundle else "DDIM 50 steps, guidance 7.5, fp32",
        **medians,
        "disk_mib": disk_mib(MODEL if subject == "stock" else Path(subject)),
        **starts(subject),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--faithful", type=Path, default=Path("out/icons-faithful"))
    parser.add_argument("--equivalent", type=Path, default=Path("out/icons"))
    parser.add_argument("--same-calls", type=Path, default=Path("out/icons-same-calls"))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="Medians over so many.")
    parser.add_argument("--child", nargs=2, metavar=("SUBJECT", "BATCH"))
    args = parser.parse_args()
    if args.child:
        subject, batch = args.child[0], int(args.child[1])
        found = run_stock(batch) if subject == "stock" else run_bundle(batch, Path(subject))
        print(json.dumps(found))
        return
    subjects = {
        "stock diffusers": "stock",
        "equivalent": str(args.equivalent),
        "faithful": str(args.faithful),
        "faithful, the same calls": str(args.same_calls),
    }
    subjects = {k: v for k, v in subjects.items() if v == "stock" or (Path(v) / MANIFEST).is_file()}
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(args.rounds):
        for batch in BATCHES:
            for name, subject in subjects.items():
                runs.setdefault((name, batch), []).append(child(subject, batch))
    rows = [row(name, subject, runs) for name, subject in subjects.items()]
    publish("stock", rows, [*(f"{key} b{batch}" for batch in BATCHES for key in COSTS), "disk_mib", *STARTS])


if __name__ == "__main__":
    main()
