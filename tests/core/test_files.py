"""A file or a directory is written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.core.files import digest, digest_text, directory_aside, make_room, read_text, write_text

# What a full disk does to a child process: no file of it can grow beyond 4096 bytes.
FULL = (
    "import resource, sys; from pathlib import Path\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
)
TEXT = FULL + "from burnish.core.files import write_text; write_text(Path(sys.argv[1]), 'x' * 10_000)"
DIRECTORY = FULL + (
    "from burnish.core.files import directory_aside\n"
    "with directory_aside(Path(sys.argv[1])) as aside:\n"
    "    (aside / 'small').write_text('new')\n"
    "    (aside / 'large').write_bytes(bytes(10_000))\n"
)


def tree(root: Path) -> dict[str, bytes]:
    """Every file under `root`, by its relative name."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("code", [TEXT, DIRECTORY])
def test_a_full_disk_leaves_what_was_there(code: str, there: bool, tmp_path: Path) -> None:
    """A write that fails in the middle raises, keeps the old content and leaves nothing else behind."""
    target = tmp_path / "target"
    if there and code is TEXT:
        target.write_text("old")
    elif there:
        target.mkdir()
        (target / "small").write_text("old")
    before = tree(tmp_path)
    child = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True)  # noqa: S603
    assert child.returncode == 1
    assert "File too large" in child.stderr
    assert tree(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == (["target"] if there else [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_directory_that_fails_vanishes(error: type[BaseException], tmp_path: Path) -> None:
    """Whatever leaves the block, an interrupt too, leaves the old directory and no litter."""
    target = tmp_path / "a" / "target"
    target.mkdir(parents=True)
    (target / "old").write_text("old")

    def fail() -> None:
        with directory_aside(target) as aside:
            (aside / "new").write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert tree(tmp_path) == {"a/target/old": b"old"}
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_the_old_directory_comes_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    """Where the last rename fails, the old directory is in its place again."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "old").write_text("old")

    def vanish() -> None:
        with directory_aside(target) as aside:
            aside.rmdir()

    with pytest.raises(FileNotFoundError):
        vanish()
    assert tree(tmp_path) == {"target/old": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["target"]


def test_what_is_written_takes_the_old_ones_place(tmp_path: Path) -> None:
    """The new file or directory is all that is there, readable by everyone, parents made."""
    for text in ("old and longer", "new"):
        write_text(tmp_path / "a" / "file", text)
        with directory_aside(tmp_path / "b" / "target") as aside:
            (aside / text).write_text(text)
    assert tree(tmp_path) == {"a/file": b"new", "b/target/new": b"new"}
    assert (tmp_path / "a" / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "b" / "target").stat().st_mode & 0o777 == 0o755
    assert len(list((tmp_path / "b").iterdir())) == 1


def test_a_huge_text_is_not_read(tmp_path: Path) -> None:
    """Text above 64 MiB raises before any of it is in memory."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(OSError, match="larger than 64 MiB"):
        read_text(tmp_path / "huge")


def test_digests_are_sha256(tmp_path: Path) -> None:
    """The digest of a file and of a text is what sha256sum prints."""
    (tmp_path / "file").write_text("é")
    expected = hashlib.sha256("é".encode()).hexdigest()
    assert digest(tmp_path / "file") == digest_text("é") == expected


def test_room_is_made_from_the_least_recently_used(tmp_path: Path) -> None:
    """The last used folder stays whatever its size; of the others those that the rest has room for."""
    for k, size in enumerate((10, 10, 60)):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / "file").write_bytes(bytes(size))
        os.utime(tmp_path / str(k), (k, k))
    make_room(tmp_path, 70)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]
    make_room(tmp_path, 50)
    assert [p.name for p in tmp_path.iterdir()] == ["2"]
