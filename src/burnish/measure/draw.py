"""Draws a suite's pictures with one bundle, a prompt's seeds together, kept on disk as they come."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, overload

import numpy as np

from burnish.core.errors import PromptCutWarning, SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.files import cache_directory, digest_text, make_room, source_digest, write_bytes
from burnish.core.model import ModelCard
from burnish.measure.pictures import Pictures
from burnish.runtime import Pipeline, Request
from burnish.runtime.compiled import engine

MOST_BYTES = 2 << 30  # of kept pictures in all; the least recently used go first
_IN_USE: set[Path] = set()  # what this process has drawn and may still read
BATCH = 8  # pictures a call; more gains little on a CPU and costs memory
Part = Literal["selection", "confirmation"]
Progress = Callable[[int, int], None]  # pictures done, pictures in all


def request_for(card: ModelCard, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Request:
    """Every seed of every prompt, prompt by prompt."""
    if card.reads_text:
        spread = tuple(s for _ in prompts for s in seeds)
        return Request(seeds=spread, prompts=tuple(p.prompt for p in prompts for _ in seeds))
    # A model that reads no text takes a line's number for seeds of its own.
    numbered = tuple(_number(p) * 1000 + s for p in prompts for s in seeds)
    if card.classes:
        return Request(seeds=numbered, class_labels=tuple(p.class_label or 0 for p in prompts for _ in seeds))
    return Request(seeds=numbered)


def _number(prompt: Prompt) -> int:
    try:
        return int(prompt.prompt or 0)
    except ValueError:
        raise SuiteError(
            f"the model reads no text such as {prompt.prompt!r:.60}", "Give numbers, or class labels"
        ) from None


class Drawn(Sequence[Pictures]):
    """The pictures (seeds, height, width, 3) of each prompt; what lies on disk is read when it is asked for.

    So memory does not grow with the suite. Raises SuiteError where kept pictures are gone.
    """

    def __init__(self, numbers: Sequence[int], folder: Path | None, held: dict[int, Pictures]) -> None:
        """`numbers` are those of the prompts, in `held` or as files in `folder`."""
        self._numbers, self._folder, self._held = numbers, folder, held

    def put(self, k: int, pictures: Pictures) -> None:
        """Takes the pictures of the k-th prompt, on disk where that is possible."""
        number = self._numbers[k]
        if self._folder is None or not _save(_file(self._folder, number), pictures):
            self._held[number] = pictures

    def missing(self) -> list[int]:
        """The prompts whose pictures are not there, or damaged."""
        return [k for k in range(len(self)) if self._find(k) is None]

    def of(self, which: Sequence[int]) -> Drawn:
        """Those of some prompts, still where they lie."""
        return Drawn([self._numbers[k] for k in which], self._folder, self._held)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, k: int) -> Pictures: ...
    @overload
    def __getitem__(self, k: slice) -> Drawn: ...
    def __getitem__(self, k: int | slice) -> Pictures | Drawn:
        if isinstance(k, slice):
            return self.of(range(len(self))[k])
        found = self._find(k)
        if found is None:
            raise SuiteError(f"the kept pictures of prompt {self._numbers[k]} are gone", "Run it again")
        return found

    def _find(self, k: int) -> Pictures | None:
        number = self._numbers[k]
        if number in self._held:
            return self._held[number]
        return _load(_file(self._folder, number)) if self._folder is not None else None


def draw(
    pipeline: Pipeline,
    prompts: Sequence[Prompt],
    seeds: Sequence[int],
    *,
    keep: Path | None = None,
    batch: int = BATCH,
    progress: Progress | None = None,
) -> Drawn:
    """(seeds, height, width, 3) uint8 a prompt. Where `keep` is given, what lies there is not drawn again."""
    drawn = Drawn(range(len(prompts)), keep, {})
    left = drawn.missing()
    done = len(prompts) - len(left)
    group = max(1, batch // len(seeds))
    for first in range(0, len(left), group):
        part = left[first : first + group]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PromptCutWarning)  # a suite may hold long prompts on purpose
            images = pipeline.generate(request_for(pipeline.bundle.model, [prompts[k] for k in part], seeds))
        for k, pictures in zip(part, np.split(images, len(part)), strict=True):
            drawn.put(k, pictures)
        done += len(part)
        if progress is not None:
            progress(done * len(seeds), len(prompts) * len(seeds))
    return drawn


def draw_part(
    pipeline: Pipeline,
    suite: Suite,
    part: Part,
    progress: Progress | None = None,
    *,
    batch: int = BATCH,
) -> Drawn:
    """The pictures of a part of a suite, those kept that an earlier run of the very same drew here."""
    root = cache_directory() / "pictures"
    asked = [suite.model_dump_json(include={part, "seeds"}), pipeline.program.model_dump_json()]
    how = [batch, pipeline.threads]  # sums in another order round otherwise
    code = source_digest("core/*.py", "measure/draw.py", "runtime/*.py")
    keep = root / digest_text(json.dumps([asked, how, pipeline.bundle.identity, engine(), code]))[:24]
    drawn = draw(pipeline, getattr(suite, part), suite.seeds, keep=keep, batch=batch, progress=progress)
    with suppress(OSError):
        keep.touch()  # used last, so that it goes last
    _IN_USE.add(keep)
    make_room(root, MOST_BYTES, _IN_USE)
    return drawn


def _file(folder: Path, k: int) -> Path:
    return folder / f"{k:05}.npy"


def _save(path: Path, pictures: Pictures) -> bool:
    """Whether pictures could be kept; where not, they stay in memory and are drawn again the next time."""
    data = io.BytesIO()
    np.save(data, pictures)
    try:
        write_bytes(path, data.getvalue())
    except OSError:
        return False
    return True


def _load(path: Path) -> Pictures | None:
    """What `_save` wrote; None where there is nothing, or something damaged."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
