"""What the scripts of peers share: `python SCRIPT.py REQUEST.json` does a task and says what it cost.

Runs in a peer's environment and imports nothing of ours. The request names a task:

- prepare: what is done once on a machine: an export, then a first batch of each of `batches`
- draw: every prompt, `batch` at a time, as `00000.npy`, ... (n, height, width, 3; uint8)
- time: one batch from a cold start, then `repeats` warm ones at each of `calls`

`reply.json` is written beside the pictures. Seconds of `time` are of a whole batch.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Request = dict[str, Any]
# (prompts, noise (n, c, h, w) float32, seeds, denoiser calls; None is the script's own) -> (n, h, w, 3) uint8
Make = Callable[[list[str], np.ndarray, list[int], "int | None"], np.ndarray]


def serve(open_model: Callable[[Request], Make], prepare: Callable[[Request], None] | None = None) -> None:
    """Does what the request on the command line asks for."""
    asked: Request = json.loads(Path(sys.argv[1]).read_text())
    Path(asked["kept"]).mkdir(parents=True, exist_ok=True)
    noise = np.load(asked["noise"], allow_pickle=False)
    if asked["task"] == "prepare":
        reply = _prepare(asked, open_model, prepare, noise)
    else:
        reply = (_draw if asked["task"] == "draw" else _time)(asked, open_model(asked), noise)
    (Path(asked["output"]) / "reply.json").write_text(json.dumps(reply))


def _prepare(
    asked: Request,
    open_model: Callable[[Request], Make],
    prepare: Callable[[Request], None] | None,
    noise: np.ndarray,
) -> dict[str, Any]:
    """What a first run has to do, so that every timed start finds the same things kept."""
    start = time.perf_counter()
    if prepare is not None:
        prepare(asked)
    for size in asked["batches"]:
        sized = asked | {"batch": size}
        open_model(sized)(*_first(sized, noise), asked["calls"][0])
    return {"prepare_s": time.perf_counter() - start}


def _draw(asked: Request, make: Make, noise: np.ndarray) -> dict[str, Any]:
    size, count = asked["batch"], len(asked["prompts"])
    for number, first in enumerate(range(0, count, size)):
        # The last batch is filled up, because a static graph knows one size.
        which = [min(k, count - 1) for k in range(first, first + size)]
        pictures = make(*_of(asked, noise, which), None)
        np.save(Path(asked["output"]) / f"{number:05}.npy", pictures[: count - first])
    return {"batches": -(-count // size)}


def _time(asked: Request, make: Make, noise: np.ndarray) -> dict[str, Any]:
    given = _first(asked, noise)
    make(*given, asked["calls"][0])
    cold = time.time() - float(os.environ["BURNISH_STARTED"])  # the launcher says it
    return {"cold_start_s": cold, "timed": [_timed(asked, make, given, calls) for calls in asked["calls"]]}


def _timed(asked: Request, make: Make, given: Any, calls: int | None) -> dict[str, Any]:
    walls, cpus = [], []
    for _ in range(asked["repeats"]):
        wall, cpu = time.perf_counter(), time.process_time()
        make(*given, calls)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"calls": calls, "latency_s": statistics.median(walls), "cpu_s": statistics.median(cpus)}


def _of(asked: Request, noise: np.ndarray, which: Any) -> tuple[list[str], np.ndarray, list[int]]:
    chosen = list(which)
    return [asked["prompts"][k] for k in chosen], noise[chosen], [asked["seeds"][k] for k in chosen]


def _first(asked: Request, noise: np.ndarray) -> tuple[list[str], np.ndarray, list[int]]:
    """A batch of the first pictures, over again where there are fewer."""
    return _of(asked, noise, [k % len(asked["prompts"]) for k in range(asked["batch"])])
