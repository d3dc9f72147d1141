"""Promote and rollback: one line in a name's log each, which all who read it count alike."""

from __future__ import annotations

import getpass
import socket
from datetime import UTC, datetime
from typing import NamedTuple

from burnish.core.errors import ReleaseError
from burnish.core.release import Event, Reference
from burnish.release.folder import Opened, open_folder
from burnish.release.registry import Entry, Registry
from burnish.release.signing import Trust

MOST_WHO, MOST_WHY = 200, 1000  # characters
ATTEMPTS = 20  # to announce a release while others change the same name


class Said(NamedTuple):
    """Who changes an alias, and why; the time is now."""

    who: str
    why: str = ""
    when: str = ""


def say_so(who: str = "", why: str = "") -> Said:
    """Now, and by this user on this machine unless `who` says otherwise; raises ReleaseError if too long."""
    for what, text, most in (("who does it", who, MOST_WHO), ("the reason", why, MOST_WHY)):
        if len(text) > most:
            raise ReleaseError(f"{what} has {len(text)} characters", f"Say it in {most}")
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Said(who or f"{getpass.getuser()}@{socket.gethostname()}", why, when)


def announce(registry: Registry, name: str, version: int, said: Said) -> None:
    """Makes a version the candidate, whatever else is done to its name meanwhile; raises ReleaseError."""
    for attempt in range(ATTEMPTS):
        try:
            registry.append(name, "release", version, registry.standing(name).last, *said)
            return
        except ReleaseError:
            if attempt == ATTEMPTS - 1:
                raise


def require_name(registry: Registry, name: str) -> None:
    """Raises ReleaseError, with the names that there are, where nothing was released under this one."""
    if name not in (names := registry.names()):
        known = ", ".join(names) or "nothing is released yet"
        raise ReleaseError(f"there is no release of the name {name}", f"There are: {known}")


def find(registry: Registry, reference: Reference) -> Entry:
    """The version that is meant; raises ReleaseError with those that there are."""
    entries = {entry.version: entry for entry in registry.entries(reference.name)}
    if not entries:
        require_name(registry, reference.name)
    aliases = registry.standing(reference.name).aliases
    version = reference.version or aliases.get(reference.at)
    if version in entries:
        return entries[version]
    shown = ", ".join([*(f"@{n}" for n in entries), *(f"@{a} = {v}" for a, v in aliases.items())])
    raise ReleaseError(f"there is no {reference}", f"There are: {shown}")


def open_entry(registry: Registry, entry: Entry, trust: Trust) -> Opened:
    """A version's files, checked; raises ReleaseError."""
    folder = registry.fetch(entry)
    try:
        opened = open_folder(folder, trust, entry.digest)
    except ReleaseError:
        registry.let_go(entry)
        raise
    if opened.release.name != entry.name:
        raise ReleaseError(
            f"{entry.name}@{entry.version} was released as {opened.release.name}", "Do not use it"
        )
    return opened


def promote(
    registry: Registry, reference: Reference, trust: Trust, said: Said, *, unproven: bool = False
) -> Event:
    """Makes a version the stable one of its name, once it verifies; raises ReleaseError.

    One that the gate did not pass needs `unproven`.
    """
    standing = registry.standing(reference.name)
    entry = find(registry, reference)
    if standing.aliases.get("stable") == entry.version:
        raise ReleaseError(f"{reference} is stable already", "Nothing was changed")
    release = open_entry(registry, entry, trust).release
    if not (release.proven or unproven):
        raise ReleaseError(
            f"{reference} is {release.standing}", "Release what the gate passed, or say --unproven"
        )
    return registry.append(reference.name, "promote", entry.version, standing.last, *said)


def rollback(registry: Registry, name: str, trust: Trust, said: Said) -> Event:
    """Makes stable again what was before, once it verifies; raises ReleaseError."""
    standing = registry.standing(name)
    if "previous" not in standing.aliases:
        find(registry, Reference(name, "stable"))  # says what there is
        raise ReleaseError(f"nothing of {name} was stable before", "Promote another version instead")
    entry = find(registry, Reference(name, "previous"))
    open_entry(registry, entry, trust)
    return registry.append(name, "rollback", entry.version, standing.last, *said)
