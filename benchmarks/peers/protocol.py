"""A task for a peer, and what came back, checked: a peer's files are a stranger's."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.peers.table import Row
from burnish.core.errors import BurnishError, SuiteError
from burnish.core.files import read_foreign, write_text
from burnish.core.model import ModelCard
from burnish.core.noise import noise
from burnish.measure.pictures import Pictures

Task = Literal["prepare", "draw", "time"]
MOST_BYTES = 1 << 20  # of a reply
MOST_PICTURES = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every peer is given: a model directory and what to draw with it, one prompt and seed a picture."""

    model: Path
    card: ModelCard
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    captions: tuple[str, ...]  # to calibrate on; never judged

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        _, height, width = self.card.image_shape
        return height, width

    def request(self, row: Row, task: Task, kept: Path, output: Path, **others: Any) -> Path:
        """Writes the request and the initial noise to `output`, which it makes; gives the request's path."""
        output.mkdir(parents=True, exist_ok=True)
        np.save(output / "noise.npy", noise(self.seeds, self.card.latent_shape))
        height, width = self.size
        asked = {
            "task": task,
            "model": str(self.model),
            "prediction_type": self.card.prediction_type,
            "kept": str(kept),
            "output": str(output),
            "options": row.options,
            "scale": self.card.guidance_scale,
            "height": height,
            "width": width,
            "prompts": self.prompts,
            "seeds": self.seeds,
            "captions": self.captions,
            "noise": str(output / "noise.npy"),
            "batches": row.batches,
            "calls": [None],
            **others,
        }
        path = output / "request.json"
        write_text(path, json.dumps(asked))
        return path


def read_reply(output: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """A peer's reply; raises BurnishError unless it has these fields, its numbers finite and not negative."""
    try:
        reply = json.loads(read_foreign(output / "reply.json", BurnishError, MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise BurnishError(f"the reply cannot be read: {error}") from None
    if not isinstance(reply, dict):
        raise BurnishError("the reply is no object")
    for name in wanted:
        value = reply.get(name)
        if name == "timed":
            _check_timed(value)
        else:
            _check_number(name, value)
    return reply


def read_pictures(output: Path, job: Job) -> list[Pictures]:
    """Every picture (height, width, 3), in the job's order; raises SuiteError where one is not as asked."""
    found: list[Pictures] = []
    for path in sorted(output.glob("[0-9]*.npy")):
        if path.stat().st_size > MOST_PICTURES:
            raise SuiteError(f"{path.name} is too large to be pictures")
        try:
            batch = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise SuiteError(f"{path.name} holds no pictures") from None
        if batch.dtype != np.uint8 or batch.shape[1:] != (*job.size, 3):
            raise SuiteError(f"{path.name} holds {batch.dtype} {batch.shape}, not uint8 (n, *{job.size}, 3)")
        found += list(batch)
    if len(found) != len(job.prompts):
        raise SuiteError(f"there are {len(found)} pictures, not {len(job.prompts)}")
    return found


def _check_timed(value: object) -> None:
    if not isinstance(value, list) or not value:
        raise BurnishError("the reply times nothing")
    for one in value:
        for name in ("latency_s", "cpu_s"):
            _check_number(name, one.get(name) if isinstance(one, dict) else None)


def _check_number(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise BurnishError(f"the reply's {name} is {value!r:.40}")
