"""Files written aside and renamed, so that a reader sees the whole or nothing; and their digests."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Literal

from burnish.core.errors import BurnishError
from burnish.core.units import show_mib

MAX_TEXT_BYTES = 64 << 20


_HOMES = {"cache": ".cache", "config": ".config", "data": ".local/share", "state": ".local/state"}


def user_directory(kind: Literal["cache", "config", "data", "state"]) -> Path:
    """The user's own folder of a kind, as the XDG Base Directory Specification has it; it may not exist."""
    root = os.environ.get(f"XDG_{kind.upper()}_HOME") or str(Path.home() / _HOMES[kind])
    return Path(root) / "burnish"


def cache_directory() -> Path:
    """Where graphs, pictures and measured rates are kept between runs."""
    return user_directory("cache")


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all; raises OSError, leaving `path` as it was."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes `data` through a file beside `path`; raises OSError, leaving `path` as it was."""
    with file_aside(path, mode) as file:
        file.write(data)


@contextmanager
def file_aside(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends well, and vanishes when not.

    Its owner alone can read it until then, and after where `mode` says so.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        Path(aside).chmod(mode)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def link(source: Path, target: Path) -> None:
    """A hard link where the file system allows one, else a copy; raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_text(path: Path) -> str:
    """UTF-8 text of a file of at most 64 MiB; raises OSError, UnicodeDecodeError."""
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise OSError(f"{path} is larger than {MAX_TEXT_BYTES >> 20} MiB")
    return path.read_text(encoding="utf-8")


def read_foreign(path: Path, error: type[BurnishError], most_bytes: int) -> str:
    """Text of a file that a stranger wrote, without the mark that some editors put first.

    Raises `error`, which names the file, where it is not there, larger than `most_bytes`, or not UTF-8, and
    for a NUL; raises OSError.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise error(f"{path} does not exist", "Check the path") from None
    if len(data) > most_bytes:
        raise error(
            f"{path} is larger than {show_mib(most_bytes / 2**20)}", "Check that it is the file you mean"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as found:
        line = data.count(b"\n", 0, found.start) + 1
        raise error(f"{path}, line {line}: not UTF-8", "Save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise error(f"{path}, line {line}: a NUL is no text", "Take it out")
    return text


@contextmanager
def directory_aside(path: Path) -> Iterator[Path]:
    """A new directory that takes the place of `path` when the block ends well, and vanishes when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    aside.chmod(0o755)
    try:
        yield aside
        if path.exists():
            _take_place(aside, path)
        else:
            aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _take_place(aside: Path, path: Path) -> None:
    """Puts `aside` where the directory `path` is; raises OSError, leaving `path` as it was."""
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.replace(old / path.name)
        try:
            aside.replace(path)
        except BaseException:
            (old / path.name).replace(path)
            raise
    except BaseException:
        old.rmdir()
        raise
    shutil.rmtree(old)


def make_room(root: Path, most_bytes: int, spare: Collection[Path] = ()) -> None:
    """Keeps the last used folder of `root`, those of `spare`, and others as far as `most_bytes` reach."""
    with suppress(OSError):
        for k, folder in enumerate(sorted(root.iterdir(), key=lambda f: f.stat().st_mtime, reverse=True)):
            most_bytes -= sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            if most_bytes < 0 and k > 0 and folder not in spare:
                shutil.rmtree(folder, ignore_errors=True)


def digest(path: Path) -> str:
    """sha256 of a file, as lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def source_digest(*sources: str) -> str:
    """sha256 over the code of some rooms or files: other code may make other things of the same input.

    Patterns below the package, "runtime/*.py" for a room.
    """
    package = Path(__file__).parents[1]
    found = sorted(path for pattern in sources for path in package.glob(pattern))
    return digest_text("\n".join(map(digest, found)))


def digest_text(text: str) -> str:
    """sha256 of a text as UTF-8, as lower-case hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
