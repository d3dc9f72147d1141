"""A folder of somebody's own training pictures, indexed by the judge. What lies in it is hostile.

DIR holds pictures; those in DIR/held-out were not trained on. DIR/metadata.jsonl may name captions, as the
`imagefolder` of the datasets library reads them: {"file_name": "a.png", "text": "a red apple"} a line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from burnish.audit.data import Item, TrainingData
from burnish.core.errors import SuiteError
from burnish.core.files import read_text
from burnish.measure.judge import Judge
from burnish.measure.pictures import Pictures

HELD_OUT, CAPTIONS = "held-out", "metadata.jsonl"
FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")  # whose colours RGB can say
MAX_BYTES = 64 << 20
MAX_PIXELS = 4096 * 4096
MOST = 200_000  # pictures
BATCH = 32


def read_folder(
    directory: Path, judge: Judge, progress: Callable[[int, int], None] = lambda done, of: None
) -> TrainingData:
    """The folder's index; raises SuiteError that names the first picture or line that is not taken."""
    if not directory.is_dir():
        raise SuiteError(f"{directory} is not a directory", "Give a folder of pictures")
    paths = _pictures(directory)
    captions = _captions(directory / CAPTIONS)
    names = {path.relative_to(directory).as_posix() for path in paths}
    if unknown := sorted(captions.keys() - names):
        raise SuiteError(f"{CAPTIONS} names {unknown[0]!r:.80}, which is not there", "Correct the file")
    features = np.empty((len(paths), judge.dimension), dtype=np.float32)
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        features[start : start + len(part)] = _features(judge, part)
        progress(start + len(part), len(paths))
    items = []
    for path in paths:
        caption = captions.get(path.relative_to(directory).as_posix(), "")
        trained = path.parent.name != HELD_OUT
        items.append(Item(concept=caption, source=directory.name, trained=trained))
    return TrainingData(name=directory.name, judge=judge.digest, features=features, items=tuple(items))


def _pictures(directory: Path) -> list[Path]:
    """The pictures of the folder and of its held-out part, by name; links are not followed."""
    found = []
    for folder in (directory, directory / HELD_OUT):
        if folder.is_symlink() and folder != directory:
            raise SuiteError(f"{folder} is a link", "Give the pictures themselves")
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        found += [path for path in entries if path.suffix.lower() in SUFFIXES]
        if len(found) > MOST:
            raise SuiteError(f"{directory} holds more than {MOST} pictures", "Give a sample of them")
    if not any(path.parent == directory for path in found):
        raise SuiteError(f"{directory} holds no pictures", f"Give {', '.join(FORMATS)} files")
    return found


def _captions(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found = {}
    try:
        for number, line in enumerate(read_text(path).splitlines(), 1):
            row = json.loads(line)
            if not isinstance(row.get("file_name"), str) or not isinstance(row.get("text"), str):
                raise ValueError(f"line {number} has no file_name and text")
            found[row["file_name"]] = row["text"]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise SuiteError(
            f"{path} is not read: {error!s:.200}", 'A line is {"file_name": "a.png", "text": "a red apple"}'
        ) from None
    return found


def _features(judge: Judge, paths: list[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(n, d); pictures of one size are looked at together."""
    return np.concatenate([judge.image_features(_read(path)) for path in paths])


def _read(path: Path) -> Pictures:
    """(1, height, width, 3); transparent parts are white, as the icons are. Raises SuiteError by name."""
    try:
        if path.is_symlink() or not path.is_file():
            raise ValueError("it is no plain file")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"it has more than {MAX_PIXELS} pixels")
            if image.mode not in MODES:
                raise ValueError(f"its mode is {image.mode}, not one of {', '.join(MODES)}")
            clear = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SuiteError(f"{path} is no picture to compare with: {error!s:.200}", "Take it out") from None
    white = Image.new("RGBA", clear.size, "white")
    white.alpha_composite(clear)
    return np.asarray(white.convert("RGB"))[None]
