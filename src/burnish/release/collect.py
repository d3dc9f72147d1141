"""Old releases are removed: all but the newest, what an alias means, and what a running server holds."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.errors import ReleaseError
from burnish.release.leases import free
from burnish.release.registry import Entry, Registry


def collectable(registry: Registry, name: str, keep: int) -> list[Entry]:
    """Versions that no alias means and that are not among the `keep` newest, the oldest first."""
    entries = registry.entries(name)
    meant = set(registry.standing(name).aliases.values())
    return [entry for entry in entries[: max(0, len(entries) - keep)] if entry.version not in meant]


def collect(registry: Registry, name: str, keep: int) -> Sequence[Entry]:
    """Removes them for good, files and all, but for those in use; gives what was removed.

    Raises ReleaseError for a registry on a server: who uses its releases cannot be seen from here.
    """
    if not registry.local:
        raise ReleaseError(
            f"{registry.uri} is a server: which machines use its releases is not known here",
            "Collect where the registry lies on the machine itself",
        )
    removed = []
    for entry in collectable(registry, name, keep):
        with free(entry.digest) as unused:
            # An alias may have been moved since the list was made.
            if unused and entry.version not in registry.standing(name).aliases.values():
                registry.remove(entry)
                removed.append(entry)
    return removed
