"""The shelf: releases that are served, by name and alias, checked before they are offered, then held.

It looks at the registry again every so often, so that a promotion takes effect without a restart. What does
not verify is never offered: the alias then means the release before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BurnishError, ReleaseError
from burnish.core.model import ModelCard
from burnish.core.plan import Plan
from burnish.core.release import Reference, Release, reference_of
from burnish.release.aliases import open_entry, require_name
from burnish.release.leases import lease
from burnish.release.registry import Entry, Registry
from burnish.release.signing import Trust

LOG = logging.getLogger(__name__)


class Shelved(NamedTuple):
    """A release that can be drawn from."""

    reference: Reference  # name and version
    release: Release
    bundle: Path
    card: ModelCard
    plan: Plan

    @property
    def digest(self) -> str:
        """The release's."""
        return self.release.digest


class Shelf:
    """The releases of some names. `look` is called by one thread at a time; all else reads."""

    def __init__(self, registry: Registry, wanted: Sequence[Reference], trust: Trust) -> None:
        """All aliases of the names that are wanted, and versions that are; raises ReleaseError."""
        self._registry, self._trust = registry, trust
        self._names = list(dict.fromkeys(reference.name for reference in wanted))
        self._versions = {(r.name, r.version) for r in wanted}
        for name in self._names:
            require_name(registry, name)
        self._leases = ExitStack()
        self._opened: dict[str, Shelved] = {}  # by digest
        self._refused: set[str] = set()
        self._aliases: dict[str, dict[str, int]] = {}
        self._digests: dict[tuple[str, int], str] = {}

    def look(self) -> None:
        """Reads what the aliases mean now, and opens what was not; raises ReleaseError.

        A registry that does not answer leaves everything as it was.
        """
        for name in self._names:
            entries = {entry.version: entry for entry in self._registry.entries(name)}
            aliases = self._registry.standing(name).aliases
            for version, entry in entries.items():
                if (name, version) in self._versions or version in aliases.values():
                    self._open(entry)
            usable = {alias: v for alias, v in aliases.items() if (name, v) in self._digests}
            if "stable" in aliases and "stable" not in usable and "previous" in usable:
                LOG.error("%s: stable is not served, so it means @%d", name, usable["previous"])
                usable["stable"] = usable["previous"]
            self._aliases[name] = usable

    def names(self) -> list[str]:
        """Everything that can be asked for: each name with its aliases and versions."""
        found = []
        for name in self._names:
            versions = sorted(version for n, version in self._digests if n == name)
            found += [f"{name}@{at}" for at in (*self._aliases.get(name, {}), *versions)]
        return found

    def find(self, text: str) -> Shelved:
        """The release that is meant by `icons`, `icons@stable` or `icons@3`; raises ReleaseError."""
        meant = reference_of(text)
        version = meant.version or self._aliases.get(meant.name, {}).get(meant.at)
        digest = self._digests.get((meant.name, version or 0))
        if digest is None:
            there = ", ".join(self.names()) or "nothing yet"
            raise ReleaseError(f"{meant} is not served here", f"There are: {there}")
        return self._opened[digest]

    def of(self, digest: str) -> Shelved:
        """The release of a digest, though no alias means it any more; raises ReleaseError."""
        if digest not in self._opened:
            for entry in (entry for name in self._names for entry in self._registry.entries(name)):
                if entry.digest == digest:
                    self._open(entry)
        if digest not in self._opened:
            raise ReleaseError(f"the release {digest[:12]} is not served any more", "Ask for another")
        return self._opened[digest]

    def bundle_of(self, digest: str) -> Path:
        """The folder of its bundle; raises ReleaseError."""
        return self.of(digest).bundle

    def close(self) -> None:
        """Lets go of all that it held."""
        self._leases.close()

    def _open(self, entry: Entry) -> None:
        """Holds a release and checks it; what does not verify is not tried again, what was not reached is."""
        if entry.digest in self._opened or entry.digest in self._refused or not entry.digest:
            return
        with ExitStack() as held:
            held.enter_context(lease(entry.digest))
            try:
                self._registry.fetch(entry)
            except (ReleaseError, OSError) as error:
                LOG.error("%s@%d cannot be fetched: %s", entry.name, entry.version, error)
                return
            try:
                opened = open_entry(self._registry, entry, self._trust)
                bundle = Bundle.read(opened.bundle / MANIFEST)
            except BurnishError as error:
                LOG.error("%s@%d is not served: %s", entry.name, entry.version, error)
                self._refused.add(entry.digest)
                return
            self._leases.enter_context(held.pop_all())
        named = Reference(entry.name, str(entry.version))
        self._opened[entry.digest] = Shelved(named, opened.release, opened.bundle, bundle.model, bundle.plan)
        self._digests[entry.name, entry.version] = entry.digest
