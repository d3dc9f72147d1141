"""Release, promote, roll back, pass on: what the verbs about releases do."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import ReleaseError
from burnish.core.release import Event, Reference, Release, reference_of
from burnish.release import aliases
from burnish.release.archive import opened_archive, write_archive
from burnish.release.collect import collect
from burnish.release.folder import Opened, describe, open_folder, write
from burnish.release.registry import Entry, Registry
from burnish.release.signing import sign, trusted
from burnish.report.card import release_card
from burnish.runtime.manifest import open_manifest


def release(
    bundle: Path,
    name: str,
    *,
    note: str = "",
    by: str = "",
    unproven: bool = False,
    key: Path | None = None,
    sigstore: bool = False,
    registry: str | None = None,
) -> Entry:
    """Puts a bundle into the registry as the next version of `name`, signed; it becomes the candidate.

    A bundle that the gate did not pass needs `unproven`. Raises BundleError, ReleaseError, OSError; the
    registry then has no new version.
    """
    if "@" in name:
        raise ReleaseError(f"{name[:80]!r} is no name", "Leave out the version: the registry gives it")
    reference_of(name)
    opened = open_manifest(bundle)
    found = Registry(registry)
    entries = found.entries(name)
    stable = found.standing(name).aliases.get("stable")
    parent = next((e.digest for e in entries if e.version == stable), "")
    said = aliases.say_so(by, note)
    made = describe(opened, bundle, name, parent, note=note, released_by=said.who, released_at=said.when)
    _require_proven(made, bundle, unproven)
    _require_new(entries, made)
    with tempfile.TemporaryDirectory(prefix="burnish-release-", dir=bundle.resolve().parent) as aside:
        folder = Path(aside)
        write(made, bundle, release_card(made, opened), folder)
        sign(folder, key, sigstore=sigstore)
        entry = found.add(folder, made, _told(made))
    aliases.announce(found, name, entry.version, said)
    return entry


def promote(
    text: str,
    *,
    by: str = "",
    why: str = "",
    unproven: bool = False,
    trust: Sequence[Path] = (),
    registry: str | None = None,
) -> Event:
    """Makes a release the stable one of its name, once it verifies; raises ReleaseError.

    `trust` are public keys' files, beside this user's own and those that are kept with it.
    """
    said = aliases.say_so(by, why)
    return aliases.promote(Registry(registry), _exact(text), trusted(trust), said, unproven=unproven)


def rollback(
    name: str, *, by: str = "", why: str = "", trust: Sequence[Path] = (), registry: str | None = None
) -> Event:
    """Makes what was stable before stable again, once it verifies; raises ReleaseError."""
    said = aliases.say_so(by, why)
    return aliases.rollback(Registry(registry), reference_of(name).name, trusted(trust), said)


def open_release(text: str, *, trust: Sequence[Path] = (), registry: str | None = None) -> Opened:
    """The release that is meant, its files checked: its bundle can be opened. Raises ReleaseError."""
    found = Registry(registry)
    return aliases.open_entry(found, aliases.find(found, reference_of(text)), trusted(trust))


def export_release(
    text: str, path: Path, *, trust: Sequence[Path] = (), registry: str | None = None
) -> Opened:
    """Writes a release to one file, once it verifies; raises ReleaseError, OSError."""
    opened = open_release(text, trust=trust, registry=registry)
    write_archive(opened.folder, path)
    return opened


def import_release(
    path: Path, *, by: str = "", why: str = "", trust: Sequence[Path] = (), registry: str | None = None
) -> Entry:
    """Puts what `export_release` wrote into a registry as it is: name, evidence, signature; the candidate.

    Raises ReleaseError where the file is none, no one trusted signed it, or it is there already.
    """
    said = aliases.say_so(by, why)
    with opened_archive(path) as folder:
        made = open_folder(folder, trusted(trust)).release
        found = Registry(registry)
        _require_new(found.entries(made.name), made)
        entry = found.add(folder, made, _told(made))
    aliases.announce(found, made.name, entry.version, said)
    return entry


def collect_releases(name: str, *, keep: int = 3, registry: str | None = None) -> list[int]:
    """Removes versions that no alias means, no server uses and that are not among the `keep` newest.

    Gives their numbers. Raises ReleaseError.
    """
    found = Registry(registry)
    meant = reference_of(name).name
    aliases.require_name(found, meant)
    return [entry.version for entry in collect(found, meant, keep)]


def releases(name: str | None = None, *, registry: str | None = None) -> list[dict[str, Any]]:
    """Every version of one name, or of all, with what its aliases mean and their history, as plain data.

    Raises ReleaseError where there is no such name. Nothing is fetched or checked.
    """
    found = Registry(registry)
    if name is None:
        return [_listed(found, each) for each in found.names()]
    meant = reference_of(name).name
    aliases.require_name(found, meant)
    return [_listed(found, meant)]


def _listed(found: Registry, name: str) -> dict[str, Any]:
    standing = found.standing(name)
    versions = [{"version": e.version, "digest": e.digest, **e.told} for e in found.entries(name)]
    history = [event.model_dump(mode="json", exclude={"number", "seen"}) for event in standing.counted]
    return {"name": name, "aliases": standing.aliases, "versions": versions, "history": history}


def _exact(text: str) -> Reference:
    """What to promote: a name alone means its candidate."""
    found = reference_of(text)
    return found if "@" in text else Reference(found.name, "candidate")


def _require_proven(made: Release, bundle: Path, unproven: bool) -> None:
    if made.proven or unproven:
        return
    judged = f"the gate says {made.outcome} of it" if made.outcome else "nothing was judged"
    raise ReleaseError(
        f"{bundle} is not proven: {judged}",
        "Use what `burnish optimize` confirmed, or say --unproven, which everything downstream will show",
    )


def _require_new(entries: Sequence[Entry], made: Release) -> None:
    for entry in entries:
        if entry.told.get("content") == made.content:
            there = f"{made.name}@{entry.version}"
            raise ReleaseError(f"this bundle is {there} already", f"burnish promote {there}")


def _told(made: Release) -> dict[str, str]:
    """What a list shows without fetching anything."""
    return {
        "content": made.content,
        "plan": made.plan.describe(),
        "standing": made.standing,
        "licence": made.licence,
        "parent": made.parent,
        "by": made.released_by,
        "when": made.released_at,
        "note": made.note,
    }
