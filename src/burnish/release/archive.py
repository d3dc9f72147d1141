"""A release as one file: a plain tar archive that reads back into the same, byte for byte, or not at all."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from burnish.core.errors import ReleaseError
from burnish.core.files import file_aside
from burnish.core.release import BUNDLE, CARD, MOST_FILES, RELEASE, SIGNATURE
from burnish.release.folder import MOST_BYTES

BESIDE = (RELEASE, CARD, SIGNATURE)
CHUNK = 1 << 20


def write_archive(folder: Path, path: Path) -> None:
    """Writes the folder of a release to one file, whole or not at all; the same folder gives the same bytes.

    Raises OSError, leaving `path` as it was.
    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    # GNU's format, for files of more than 8 GiB.
    with (
        file_aside(path) as aside,
        tarfile.open(fileobj=aside, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = (folder / name).stat().st_size
            info.mode = 0o644
            with (folder / name).open("rb") as file:
                archive.addfile(info, file)


@contextmanager
def opened_archive(path: Path) -> Iterator[Path]:
    """The folder that an archive holds, unchecked but for its names and sizes, and gone after the block.

    Raises ReleaseError for what is no archive of a release: links, devices, paths that lead out of it.
    """
    with tempfile.TemporaryDirectory(prefix="burnish-import-") as aside:
        folder = Path(aside) / "release"
        folder.mkdir()
        try:
            with tarfile.open(path, mode="r:") as archive:
                _take_out(archive, folder, path)
        except FileNotFoundError:
            raise ReleaseError(f"{path} does not exist", "Check the path") from None
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise _refused(path, f"is no archive: {error}") from None
        yield folder


def _take_out(archive: tarfile.TarFile, folder: Path, path: Path) -> None:
    room = MOST_BYTES
    for seen, member in enumerate(archive):
        room -= max(member.size, 0)
        parts = PurePosixPath(member.name).parts
        if not member.isreg() or member.issparse():
            raise _refused(path, f"holds {member.name!r:.80}, which is no plain file")
        if not _within(member.name, parts):
            raise _refused(path, f"holds {member.name!r:.80}, which is no file of a release")
        if seen >= MOST_FILES + len(BESIDE) or room < 0:
            raise _refused(path, "holds far too much")
        target = folder.joinpath(*parts)
        if target.exists():
            raise _refused(path, f"holds {member.name!r:.80} twice")
        source = archive.extractfile(member)
        if source is None:
            raise _refused(path, f"holds {member.name!r:.80}, which cannot be read")
        target.parent.mkdir(parents=True, exist_ok=True)
        with source, target.open("xb") as file:
            shutil.copyfileobj(source, file, CHUNK)


def _within(name: str, parts: tuple[str, ...]) -> bool:
    plain = name == "/".join(parts) and ".." not in parts and "\0" not in name and "\\" not in name
    return plain and (name in BESIDE or (len(parts) > 1 and parts[0] == BUNDLE))


def _refused(path: Path, problem: str) -> ReleaseError:
    return ReleaseError(f"{path} {problem}", "Give a file that `burnish export` wrote")
