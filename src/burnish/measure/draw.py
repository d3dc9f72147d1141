"""Draws a suite's pictures with one bundle, a prompt's seeds together, kept on disk as they come."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np

from burnish.core.errors import PromptCutWarning, SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.files import cache_directory, digest_text, make_room, source_digest, write_bytes
from burnish.core.model import ModelCard
from burnish.measure.pictures import Pictures
from burnish.runtime import Pipeline, Request
from burnish.runtime.compiled import engine

MOST_BYTES = 2 << 30  # of kept pictures in all; the least recently used go first
BATCH = 8  # pictures a call; more gains little on a CPU and costs memory
Part = Literal["selection", "confirmation"]
Progress = Callable[[int, int], None]  # pictures done, pictures in all


def request_for(card: ModelCard, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Request:
    """Every seed of every prompt, prompt by prompt."""
    if card.family == "stable-diffusion":
        spread = tuple(s for _ in prompts for s in seeds)
        return Request(seeds=spread, prompts=tuple(p.prompt for p in prompts for _ in seeds))
    # A model that reads no text takes a line's number for seeds of its own.
    numbered = tuple(_number(p) * 1000 + s for p in prompts for s in seeds)
    if card.family == "class-conditional":
        return Request(seeds=numbered, class_labels=tuple(p.class_label or 0 for p in prompts for _ in seeds))
    return Request(seeds=numbered)


def _number(prompt: Prompt) -> int:
    try:
        return int(prompt.prompt or 0)
    except ValueError:
        raise SuiteError(
            f"the model reads no text such as {prompt.prompt!r:.60}", "Give numbers, or class labels"
        ) from None


def draw(
    pipeline: Pipeline,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    *,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> list[Pictures]:
    """(seeds, height, width, 3) uint8 a prompt. Where `keep` is given, what lies there is not drawn again."""
    found: dict[int, Pictures] = {}
    for k in range(len(prompts)):
        kept = _load(keep / f"{k:05}.npy") if keep is not None else None
        if kept is not None:
            found[k] = kept
    left = [k for k in range(len(prompts)) if k not in found]
    group = max(1, BATCH // len(seeds))
    for first in range(0, len(left), group):
        part = left[first : first + group]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptCutWarning)  # a suite may hold long prompts on purpose
            images = pipeline.generate(request_for(pipeline.bundle.model, [prompts[k] for k in part], seeds))
        for k, pictures in zip(part, np.split(images, len(part)), strict=True):
            found[k] = pictures
            if keep is not None:
                _save(keep / f"{k:05}.npy", pictures)
        if progress is not None:
            progress(len(found) * len(seeds), len(prompts) * len(seeds))
    return [found[k] for k in range(len(prompts))]


def draw_part(
    pipeline: Pipeline, suite: Suite, part: Part, progress: Progress | None = None
) -> list[Pictures]:
    """The pictures of a part of a suite, those kept that an earlier run of the very same drew here."""
    root = cache_directory() / "pictures"
    asked = [suite.model_dump_json(include={part, "seeds"}), pipeline.program.model_dump_json()]
    code = source_digest("core/*.py", "measure/draw.py", "runtime/*.py")
    keep = root / digest_text(json.dumps([asked, pipeline.bundle.identity, engine(), code]))[:24]
    drawn = draw(pipeline, getattr(suite, part), suite.seeds, keep=keep, progress=progress)
    with suppress(OSError):
        keep.touch()  # used last, so that it goes last
    make_room(root, MOST_BYTES)
    return drawn


def _save(path: Path, pictures: Pictures) -> None:
    """Keeps pictures where that is possible; where it is not, they are drawn again the next time."""
    data = io.BytesIO()
    np.save(data, pictures)
    with suppress(OSError):
        write_bytes(path, data.getvalue())


def _load(path: Path) -> Pictures | None:
    """What `_save` wrote; None where there is nothing, or something damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
