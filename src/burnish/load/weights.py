"""Safetensors files, read by hand: header and numbers are checked before a library opens the file."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError

from burnish.core.errors import ModelError
from burnish.load.config import parse_object, read_object

MAX_HEADER_BYTES = 16 << 20
CHUNK_BYTES = 16 << 20  # a multiple of every item size; what is held of a file at any time
INDEX_SUFFIX = ".safetensors.index.json"

# Item size in bytes, and for floats the exponent bits: all of them set means infinite or not a number.
# (F8_E4M3 has no infinity; there it is exponent and mantissa.)
DTYPES: dict[str, tuple[int, int]] = {
    "F64": (8, 0x7FF0_0000_0000_0000),
    "F32": (4, 0x7F80_0000),
    "F16": (2, 0x7C00),
    "BF16": (2, 0x7F80),
    "F8_E4M3": (1, 0x7F),
    "F8_E5M2": (1, 0x7C),
    **{f"{kind}{size * 8}": (size, 0) for kind in "IU" for size in (1, 2, 4, 8)},
    "BOOL": (1, 0),
}

# What diffusers' tables of names raise for names and shapes that they do not expect.
TABLE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
Stamp = tuple[int, int, int, int]  # bytes, times of change in ns, inode


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file; `begin` and `end` are bytes from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def _damaged(where: str, problem: str) -> ModelError:
    return ModelError(f"{where}: {problem}", "The file is damaged: download it again")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _tensor(entry: Any, start: int, where: str) -> Tensor:
    match entry:
        case {"dtype": str() as dtype, "shape": [*shape], "data_offsets": [begin, end], **rest} if not rest:
            pass
        case _:
            raise _damaged(where, "a tensor must have dtype, shape and two data_offsets, and nothing else")
    if dtype not in DTYPES:
        raise _damaged(where, f"unknown dtype {dtype!r:.40}")
    if len(shape) > 16 or not all(map(_whole, (*shape, begin, end))):
        raise _damaged(where, "shape and data_offsets must be whole numbers")
    if end - begin != math.prod(shape) * DTYPES[dtype][0]:
        raise _damaged(where, f"{end - begin} bytes do not hold shape {shape} of {dtype}")
    return Tensor(dtype, tuple(shape), start + begin, start + end)


def _header(file: BinaryIO, size: int, where: str) -> tuple[int, dict[str, Any]]:
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8:
        raise _damaged(where, f"a header of {length} bytes does not fit into a file of {size}")
    if length > MAX_HEADER_BYTES:
        raise _damaged(where, f"the header is larger than {MAX_HEADER_BYTES >> 20} MiB")
    text = file.read(length)
    if not text.startswith(b"{"):
        raise _damaged(where, "the header does not begin with {")
    return 8 + length, parse_object(text, where)


def _entries(path: Path, where: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Where the data begins, the entries of the tensors, and what the header says beside them."""
    with path.open("rb") as file:
        start, entries = _header(file, path.stat().st_size, where)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(where, "__metadata__ must map text to text")
    return start, entries, metadata


def read_header(path: Path, where: str) -> dict[str, Tensor]:
    """The tensors of `read_header_and_metadata` alone."""
    return read_header_and_metadata(path, where)[0]


def read_header_and_metadata(path: Path, where: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name, in file order, and what the header says beside them.

    The tensors fill the file after the header exactly, without gap or overlap. Raises ModelError, naming the
    file by `where`, for a header that is truncated, huge, malformed or untrue.
    """
    size = path.stat().st_size
    start, entries, metadata = _entries(path, where)
    tensors = {k: _tensor(v, start, f"{where}: {k:.80}") for k, v in entries.items()}
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)))
    edges = [Tensor("", (), 0, start), *ordered.values(), Tensor("", (), size, size)]
    for before, after in pairwise(edges):
        if before.end != after.begin:
            kind = "overlap" if before.end > after.begin else "a gap"
            raise _damaged(where, f"{kind} at byte {after.begin}: the tensors do not fill the file exactly")
    return ordered, metadata


def stamp(path: Path) -> Stamp:
    """What changes with a file; the last time of change no program can set without the clock."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def changed(path: Path) -> ModelError:
    """What to raise where `path` is not what it was when its digest was taken."""
    return ModelError(f"{path} changed while it was opened", "Let it be written in peace, then try again")


@contextmanager
def library_errors(path: Path, where: str) -> Iterator[None]:
    """Turns what safetensors raises, which is no OSError, into OSError where the system said no: a full disk.

    Else into ModelError, naming the file by `where`.
    """
    try:
        yield
    except SafetensorError as error:
        if system := re.search(r"os error (\d+)", str(error)):
            raise OSError(int(system[1]), os.strerror(int(system[1])), str(path)) from error
        raise _damaged(where, f"safetensors refuses it: {error!s:.120}") from error


def _finite(chunk: bytes, dtype: str) -> bool:
    item, mask = DTYPES[dtype]
    return not mask or not np.any((np.frombuffer(chunk, f"<u{item}") & mask) == mask)


def scan(path: Path, tensors: dict[str, Tensor], where: str) -> str:
    """sha256 of the file, read once in chunks of 16 MiB; ModelError at a number that is not finite."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        sha.update(file.read(next((t.begin for t in tensors.values()), path.stat().st_size)))
        for name, tensor in tensors.items():
            left = tensor.end - tensor.begin
            while left:
                wanted = min(CHUNK_BYTES, left)
                chunk = file.read(wanted)
                if len(chunk) < wanted:
                    raise _damaged(where, "the file became shorter while it was read")
                if not _finite(chunk, tensor.dtype):
                    raise ModelError(
                        f"{where}: {name:.80} holds a number that is infinite or not a number",
                        "The training or the conversion that made it broke: take an earlier checkpoint",
                    )
                sha.update(chunk)
                left -= wanted
        if file.read(1):
            raise _damaged(where, "the file became longer while it was read")
    return sha.hexdigest()


def _shards(index: Path, where: str) -> dict[str, str]:
    weight_map = read_object(index, where).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise _damaged(where, "it has no weight_map")
    for shard in weight_map.values():
        if not isinstance(shard, str) or not shard.endswith(".safetensors") or {*"/\\\0"} & {*shard}:
            raise ModelError(
                f"{where}: {json.dumps(shard):.80} is not the name of a safetensors file in the same folder",
                "Do not use this model: a file name with a path in it is how one escapes a directory",
            )
    return weight_map


def _files(folder: Path, stem: str, where: str) -> tuple[str, ...]:
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}{INDEX_SUFFIX}"
    if single.exists() and index.exists():
        raise ModelError(
            f"{where} has both {single.name} and {index.name}",
            "Delete one, so that it is clear which is meant",
        )
    if single.exists():
        return (single.name,)
    if not index.exists():
        raise ModelError(
            f"{where}/{single.name} is missing",
            "Convert the weights with save_pretrained(safe_serialization=True); "
            "rename a variant such as .fp16.safetensors",
        )
    shards = tuple(sorted(set(_shards(index, f"{where}/{index.name}").values())))
    for shard in shards:
        if not (folder / shard).is_file():
            raise _damaged(f"{where}/{index.name}", f"{shard:.80} is missing")
    return shards


def component_weights(folder: Path, stem: str, where: str) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The weights files of one component, and their tensors by name. `where` names the folder in errors.

    Raises ModelError when there are none, when a single file and an index stand side by side, when the index
    names something that is not a file beside it, or when it and the files disagree about what they hold.
    """
    files = _files(folder, stem, where)
    held = {file: read_header(folder / file, f"{where}/{file}") for file in files}
    index = folder / f"{stem}{INDEX_SUFFIX}"
    if index.exists():
        named = _shards(index, f"{where}/{index.name}")
        found = [(tensor, file) for file, tensors in held.items() for tensor in tensors]
        if sorted(found) != sorted(named.items()):
            raise _damaged(f"{where}/{index.name}", "it does not list exactly what the files hold")
    return files, {name: tensor for tensors in held.values() for name, tensor in tensors.items()}
