"""A release's folder: written from a bundle, and opened with every check before anything in it is used."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import ReleaseError
from burnish.core.files import digest, link, write_text
from burnish.core.licences import terms_of
from burnish.core.release import BUNDLE, CARD, MOST_FILES, RELEASE, SIGNATURE, Release
from burnish.release.signing import Trust, require_signed

MOST_BYTES = 64 << 30  # of a release in all


class Opened(NamedTuple):
    """A release that was checked: where it lies, and who signed it."""

    release: Release
    folder: Path
    signer: str

    @property
    def bundle(self) -> Path:
        """The folder of its bundle."""
        return self.folder / BUNDLE


def describe(bundle: Bundle, directory: Path, name: str, parent: str, **said: str) -> Release:
    """The release of a bundle under a name; `said` are its note, by whom and when. Raises ReleaseError."""
    card = bundle.model
    verdict = bundle.verdict
    return Release(
        name=name,
        bundle=bundle.identity,
        model=card.name,
        model_digest=card.digest,
        plan=bundle.plan,
        floor=verdict.floor if verdict else "",
        outcome=verdict.outcome if verdict else "",
        licence=card.licence,
        duties=terms_of(card.licence).duties,
        parent=parent,
        files=digests(directory),
        **said,
    )


def write(release: Release, bundle: Path, card: str, folder: Path) -> None:
    """Fills an empty `folder` with a release, but for its signature; raises OSError."""
    for name in release.files:
        target = folder / BUNDLE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        link(bundle / name, target)
    release.save(folder / RELEASE)
    write_text(folder / CARD, card)


def open_folder(folder: Path, trust: Trust, expected: str = "") -> Opened:
    """A release's folder, once its signature and every file hold; raises ReleaseError, naming what does not.

    `expected` is its digest where that is known.
    """
    if not (folder / RELEASE).is_file():
        raise ReleaseError(f"{folder} is no release: it has no {RELEASE}", "Give what `burnish export` wrote")
    signer = require_signed(folder, trust)
    release = Release.read(folder / RELEASE)
    if expected and release.digest != expected:
        raise ReleaseError(f"{folder} is another release than the registry says", "Do not use it")
    found = digests(folder / BUNDLE)
    for name in sorted(found.keys() | release.files.keys()):
        if found.get(name) != release.files.get(name):
            raise ReleaseError(f"{folder / BUNDLE / name} is not as released", "Fetch it again")
    identity = Bundle.read(folder / BUNDLE / MANIFEST).identity
    if identity != release.bundle:
        raise ReleaseError(
            f"{folder} holds the bundle {identity[:12]}, not {release.bundle[:12]}", "Fetch it again"
        )
    if extra := {p.name for p in folder.iterdir()} - {RELEASE, CARD, BUNDLE, SIGNATURE}:
        raise ReleaseError(f"{folder} has {min(extra)!r:.80} besides", "Fetch it again")
    return Opened(release, folder, signer)


def digests(directory: Path) -> dict[str, str]:
    """sha256 of every file below `directory` by name; raises ReleaseError for a link, or far too much."""
    found, size = {}, 0
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ReleaseError(f"{path} is no plain file", "Replace it by what it stands for")
        if path.is_file():
            size += path.stat().st_size
            if size > MOST_BYTES:
                raise ReleaseError(f"{directory} holds more than {MOST_BYTES >> 30} GiB", "Check it")
            found[path.relative_to(directory).as_posix()] = digest(path)
    if len(found) > MOST_FILES:
        raise ReleaseError(f"{directory} holds {len(found)} files, more than {MOST_FILES}", "Check it")
    return found
