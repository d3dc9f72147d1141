"""Training data as the judge sees it: features of the pictures trained on, and of those held out."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from burnish.core.errors import SuiteError
from burnish.core.files import read_text, write_bytes, write_text
from burnish.measure.judge import Judge
from burnish.measure.pictures import Features, Flags, Pictures

FEATURES, ITEMS, SHEET, MATCHED = "features.safetensors", "items.jsonl", "matched.png", "matched.jsonl"
REMEDY = "Make it again: python -m recipes.icons.audit_data, or burnish audit --data"
COLUMNS = 20
MOST_PIXELS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture that was trained on or held out; what is not known of it is ""."""

    concept: str = ""  # what is drawn, without skin tone: variants of one concept are not independent
    tone: str = ""
    style: str = ""
    source: str = ""
    trained: bool = True

    @property
    def caption(self) -> str:
        """What it is called, without the style: "woman firefighter, medium skin tone"."""
        return ", ".join(part for part in (self.concept, self.tone) if part)

    @property
    def forms(self) -> tuple[str, ...]:
        """The caption as it was trained on: without the style and with it."""
        return (self.caption, f"{self.caption}, {self.style} style") if self.style else (self.caption,)


ROW = TypeAdapter(Item)


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Items with the judge's features (n, d; norm 1) in the same order."""

    name: str
    judge: str  # digest of the judge whose features they are
    features: Features
    items: tuple[Item, ...]

    @cached_property
    def _trained(self) -> Flags:
        return np.array([item.trained for item in self.items], dtype=np.bool_)

    def features_of(self, *, trained: bool) -> Features:
        """(m, d) of the items trained on, or of those held out."""
        return self.features[self._trained == trained]

    def items_of(self, *, trained: bool) -> list[Item]:
        """The items trained on, or those held out, in the order of their features."""
        return [item for item in self.items if item.trained == trained]

    @property
    def calibrates(self) -> bool:
        """Whether there are held-out items enough to say what is usual: twenty, for a 5 % quantile."""
        return len(self._first_of_concept) >= 20

    @cached_property
    def _first_of_concept(self) -> list[int]:
        first: dict[str, int] = {}
        for k, item in enumerate(self.items):
            if not item.trained:
                first.setdefault(item.concept or f"#{k}", k)
        return list(first.values())

    def independent(self) -> list[Item]:
        """One held-out item of each concept: its skin tones and styles are not independent of it."""
        return [self.items[k] for k in self._first_of_concept]

    def independent_features(self) -> Features:
        """(m, d) of `independent`."""
        return self.features[self._first_of_concept]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Pictures trained on and held out, alike in set and kind: row k of one matches row k of the other."""

    trained: Pictures  # (n, h, w, 3)
    held_out: Pictures
    trained_captions: tuple[str, ...]
    held_out_captions: tuple[str, ...]


def write_data(directory: Path, data: TrainingData) -> None:
    """Writes features as float16 and items as JSON lines; raises OSError."""
    blob = save({"features": data.features.astype(np.float16)}, {"judge": data.judge, "name": data.name})
    write_bytes(directory / FEATURES, blob)
    lines = [json.dumps({k: v for k, v in asdict(item).items() if v != ""}) for item in data.items]
    write_text(directory / ITEMS, "\n".join(lines) + "\n")


def read_data(directory: Path, judge: Judge) -> TrainingData:
    """What `write_data` wrote; raises SuiteError where it is damaged, or of another judge."""
    path = directory / FEATURES
    try:
        with safe_open(path, framework="numpy") as file:
            facts: Mapping[str, str] = file.metadata() or {}
            features: NDArray[np.float16] = file.get_tensor("features")
        lines = read_text(directory / ITEMS).splitlines()
        items = tuple(ROW.validate_json(line, strict=True) for line in lines)
    except (OSError, SafetensorError, TypeError, ValueError, RecursionError) as error:
        raise SuiteError(f"{directory} holds no training data: {error!s:.200}", REMEDY) from None
    if facts.get("judge") != judge.digest:
        raise SuiteError(f"the features in {path} are of another judge than {judge.name}", REMEDY)
    if features.shape != (len(items), judge.dimension) or features.dtype != np.float16:
        raise SuiteError(f"{path} has features {features.shape} for {len(items)} items", REMEDY)
    if not np.isfinite(features).all():
        raise SuiteError(f"{path} has features that are not finite", REMEDY)
    return TrainingData(
        name=facts.get("name", directory.name),
        judge=judge.digest,
        features=features.astype(np.float32),
        items=items,
    )


def _rows(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in read_text(path).splitlines()]
    for row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{path} has a line that is no object")
    return rows


def write_matched(directory: Path, matched: Matched) -> None:
    """Writes one PNG, those trained on above those held out, and captions a line a match; raises OSError."""
    sheet = np.concatenate([_sheet(matched.trained), _sheet(matched.held_out)])
    data = io.BytesIO()
    Image.fromarray(sheet).save(data, format="PNG", optimize=True)
    write_bytes(directory / SHEET, data.getvalue())
    pairs = zip(matched.trained_captions, matched.held_out_captions, strict=True)
    lines = [json.dumps({"trained": a, "held_out": b}) for a, b in pairs]
    write_text(directory / MATCHED, "\n".join(lines) + "\n")


def read_matched(directory: Path) -> Matched:
    """What `write_matched` wrote; raises SuiteError where it is damaged."""
    try:
        rows = _rows(directory / MATCHED)
        captions = [(str(row["trained"]), str(row["held_out"])) for row in rows]
        with Image.open(directory / SHEET, formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError("the sheet has too many pixels")
            sheet = np.asarray(image.convert("RGB"))
        trained, held_out = (_cells(half, len(rows)) for half in np.split(sheet, 2))
    except (
        OSError,
        KeyError,
        ValueError,
        SyntaxError,
        RecursionError,
        Image.DecompressionBombError,
    ) as error:
        raise SuiteError(f"{directory} holds no matched pictures: {error!s:.200}", REMEDY) from None
    return Matched(
        trained=trained,
        held_out=held_out,
        trained_captions=tuple(a for a, _ in captions),
        held_out_captions=tuple(b for _, b in captions),
    )


def _sheet(pictures: Pictures) -> NDArray[np.uint8]:
    """(rows x side, COLUMNS x side, 3) of pictures (n, side, side, 3), n a multiple of COLUMNS."""
    n, side = pictures.shape[:2]
    grid = pictures.reshape(n // COLUMNS, COLUMNS, side, side, 3)
    return np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4).reshape(-1, COLUMNS * side, 3))


def _cells(sheet: NDArray[np.uint8], count: int) -> Pictures:
    side = sheet.shape[1] // COLUMNS
    if side == 0 or sheet.shape[:2] != (count // COLUMNS * side, COLUMNS * side) or count % COLUMNS:
        raise ValueError(f"a sheet of {sheet.shape} pixels does not hold {count} pictures")
    grid = sheet.reshape(count // COLUMNS, side, COLUMNS, side, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(grid.reshape(count, side, side, 3))
