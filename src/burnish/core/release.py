"""Release: one immutable version of a bundle under a name; and the log that decides what its aliases mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from burnish.core.errors import ReleaseError
from burnish.core.evidence import Outcome
from burnish.core.files import digest_text
from burnish.core.plan import Plan
from burnish.core.values import Part, Value

RELEASE, SIGNATURE, CARD, BUNDLE = "release.json", "signature.json", "README.md", "bundle"
ALIASES = ("candidate", "stable", "previous")
NAME = r"[a-z0-9][a-z0-9-]{0,62}"
MOST_FILES = 4096

Name = Field(pattern=rf"^{NAME}$")
Sha256 = Field(pattern=r"^[0-9a-f]{64}$")


class Release(Value):
    """What is released, and what is known of it. It lies beside the folder `bundle`, and is signed with it.

    `files` maps every file of that folder to its sha256. `outcome` is the gate's; "" where nothing was
    judged. `parent` is the digest of the release that was stable before, "" for the first.
    """

    remedy: ClassVar[str] = "Fetch the release again; do not use this copy"

    name: str = Name
    bundle: str = Sha256  # its identity
    model: str
    model_digest: str
    plan: Plan
    floor: str = ""
    outcome: Outcome | Literal[""] = ""
    licence: str = "unknown"
    duties: tuple[str, ...] = ()  # what the licence asks of whoever passes it on
    parent: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    note: str = Field(default="", max_length=1000)
    released_by: str = Field(default="", max_length=200)
    released_at: str = Field(default="", max_length=40)  # ISO 8601, UTC
    files: dict[str, str] = Field(max_length=MOST_FILES)

    @property
    def digest(self) -> str:
        """sha256 of all that is said here, and so of every file: what an answer or a picture names."""
        return digest_text(self.model_dump_json())

    @property
    def content(self) -> str:
        """sha256 over its files alone: the same bundle again, whoever releases it, whenever."""
        return digest_text("\n".join(f"{name} {found}" for name, found in sorted(self.files.items())))

    @property
    def proven(self) -> bool:
        """Whether the gate passed it."""
        return self.outcome == "PASS"

    @property
    def standing(self) -> str:
        """The verdict in a word or three, as everything downstream shows it."""
        return f"{self.floor}: PASS" if self.proven else f"unproven ({self.outcome or 'not judged'})"


class Reference(NamedTuple):
    """A release by name, and the version or alias of it that is meant."""

    name: str
    at: str

    def __str__(self) -> str:
        return f"{self.name}@{self.at}"

    @property
    def version(self) -> int | None:
        """The number, where a version is meant."""
        return int(self.at) if self.at.isdigit() else None


def reference_of(text: str) -> Reference:
    """Reads `icons@3`, `icons@candidate`, or `icons`, which means its stable release; raises ReleaseError."""
    found = re.fullmatch(rf"({NAME})(?:@([1-9][0-9]{{0,8}}|{'|'.join(ALIASES)}))?", text)
    if not found:
        raise ReleaseError(
            f"{text[:80]!r} names no release",
            f"Names are a-z, 0-9 and -, then @ and a version or one of {', '.join(ALIASES)}: icons@3",
        )
    return Reference(found[1], found[2] or "stable")


Action = Literal["release", "promote", "rollback"]


class Event(Part):
    """A line of a name's log. It counts only where `seen` is the number of the last that counted.

    So of two that are written at once, one counts, whichever the registry numbered first.
    """

    number: int  # as the registry gave it; no two are alike
    seen: int
    action: Action
    version: int
    who: str
    why: str = ""
    when: str  # ISO 8601, UTC


class Standing(NamedTuple):
    """What a name's aliases mean. `stack` has the versions that were stable, the newest last."""

    last: int = 0  # number of the last event that counted
    candidate: int | None = None
    stack: tuple[int, ...] = ()
    counted: tuple[Event, ...] = ()

    @property
    def aliases(self) -> dict[str, int]:
        """Aliases that mean something, each with its version."""
        found = {"candidate": self.candidate, "stable": self._below(1), "previous": self._below(2)}
        return {name: version for name, version in found.items() if version is not None}

    def _below(self, depth: int) -> int | None:
        return self.stack[-depth] if len(self.stack) >= depth else None

    def after(self, event: Event) -> Standing:
        """With one more event; as it is, where that does not count."""
        if event.seen != self.last:
            return self
        candidate, stack = self.candidate, self.stack
        if event.action == "release":
            candidate = event.version
        elif event.action == "promote":
            stack = (*(v for v in stack if v != event.version), event.version)
            candidate = None if candidate == event.version else candidate
        else:
            stack = stack[:-1]
        return Standing(event.number, candidate, stack, (*self.counted, event))


def standing_of(events: Iterable[Event]) -> Standing:
    """What the aliases mean after these events, in any order."""
    found = Standing()
    for event in sorted(events, key=lambda e: e.number):
        found = found.after(event)
    return found
