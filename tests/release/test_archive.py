"""A release travels as one file, and arrives as it left or not at all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ReleaseError
from burnish.core.release import RELEASE
from burnish.release.archive import opened_archive
from burnish.release.registry import Registry
from tests.release.conftest import Released

Write = Callable[[tarfile.TarFile], None]


@pytest.fixture
def archive(judged: Released, tmp_path: Path) -> Path:
    """A release's file, removed from the registry that it came from."""
    path = tmp_path / "travel-1.tar"
    if not Registry().entries("travel"):
        burnish.release(judged(), "travel", by="ann")
    burnish.export_release("travel@candidate", path)
    return path


def test_a_release_arrives_as_it_left(archive: Path, tmp_path: Path) -> None:
    """In another registry it has the same digest, verdict and signature, and can be promoted."""
    there = f"sqlite:///{tmp_path}/there/registry.db"
    entry = burnish.import_release(archive, registry=there)
    here = burnish.open_release("travel@candidate")
    assert (entry.version, entry.digest) == (1, here.release.digest)
    burnish.promote("travel", registry=there)
    opened = burnish.open_release("travel", registry=there)
    assert opened.release == here.release
    with pytest.raises(ReleaseError, match="travel@1 already"):
        burnish.import_release(archive, registry=there)


def test_the_same_release_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    """Owner, time and order of files are not in it."""
    burnish.export_release("travel@candidate", tmp_path / "again.tar")
    assert archive.read_bytes() == (tmp_path / "again.tar").read_bytes()


def put(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"x", link: str = "") -> Write:
    """Adds a member."""

    def write(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.linkname = kind, len(data) if kind == tarfile.REGTYPE else 0, link
        archive.addfile(info, io.BytesIO(data))

    return write


def huge(archive: tarfile.TarFile) -> None:
    """A header that promises a pebibyte."""
    info = tarfile.TarInfo("bundle/huge")
    info.size = 1 << 50
    archive.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))  # type: ignore[union-attr]


HOSTILE: dict[str, Write] = {
    "a path above": put("bundle/../../x"),
    "an absolute path": put("/etc/burnish"),
    "a file beside": put("setup.py"),
    "the folder as a file": put("bundle"),
    "a link": put("bundle/x", tarfile.SYMTYPE, link="/etc/passwd"),
    "a hard link": put("bundle/x", tarfile.LNKTYPE, link="/etc/passwd"),
    "a device": put("bundle/x", tarfile.CHRTYPE),
    "a folder": put("bundle/x", tarfile.DIRTYPE),
    "a file twice": lambda archive: (put(RELEASE)(archive), put(RELEASE)(archive))[0],
    "a pebibyte": huge,
    "a backslash": put("bundle/..\\x"),
    "a dot": put("./release.json"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    """What leads out, is no plain file, comes twice or is far too much."""
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as archive:
        HOSTILE[name](archive)
    with pytest.raises(ReleaseError, match="burnish export"), opened_archive(path):
        pass


@pytest.mark.parametrize("data", [b"", b"no archive", b"\0" * 2048, b"\x1f\x8b\x08" + b"\0" * 600])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    """Empty, text, zeros, something compressed."""
    path = tmp_path / "none.tar"
    path.write_bytes(data)
    with pytest.raises(ReleaseError):
        burnish.import_release(path)


def test_half_an_archive_is_refused(archive: Path) -> None:
    """Whatever was cut off, and the registry stays as it was."""
    before = len(Registry().entries("travel"))
    data = archive.read_bytes()
    for part in (len(data) // 3, len(data) // 2, len(data) - 20_000):
        archive.write_bytes(data[:part])
        with pytest.raises(ReleaseError):
            burnish.import_release(archive)
    assert len(Registry().entries("travel")) == before
