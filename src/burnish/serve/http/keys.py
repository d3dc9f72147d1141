"""Keys of clients: kept as hashes in one file, each with a name and what it may do."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, ValidationError

from burnish.core.errors import BurnishError
from burnish.core.files import write_bytes
from burnish.core.values import Part

Scope = Literal["generate", "operate", "admin"]
IMPLIED: dict[Scope, tuple[Scope, ...]] = {
    "generate": ("generate",),
    "operate": ("generate", "operate"),
    "admin": ("generate", "operate", "admin"),
}
PREFIX = "bk-"
MOST_BYTES = 1 << 20


class Key(Part):
    """A key, but for itself: a hash is enough to know it again, since 256 random bits cannot be guessed."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    scope: Scope = "generate"

    def may(self, scope: Scope) -> bool:
        """Whether its own scope has this one in it."""
        return scope in IMPLIED[self.scope]


class Keys:
    """Those of one file, which its owner alone can read."""

    def __init__(self, path: Path) -> None:
        """Reads it, where it is there; raises BurnishError where it is none."""
        self._path = path
        self.keys = _read(path)

    def add(self, name: str, scope: Scope = "generate") -> str:
        """Makes a key, in place of one of that name; gives it, which no one can do again."""
        secret = PREFIX + secrets.token_urlsafe(32)
        made = Key(name=name, sha256=_hash(secret), scope=scope)
        self.keys = (*(key for key in self.keys if key.name != name), made)
        _write(self._path, self.keys)
        return secret

    def remove(self, name: str) -> bool:
        """Whether there was one of that name."""
        left = tuple(key for key in self.keys if key.name != name)
        found = len(left) < len(self.keys)
        self.keys = left
        _write(self._path, left)
        return found

    def find(self, secret: str) -> Key | None:
        """The key that this is, or None; every one is compared, so that time tells nothing."""
        asked, found = _hash(secret), None
        for key in self.keys:
            if hmac.compare_digest(key.sha256, asked):
                found = key
        return found


_LIST: TypeAdapter[tuple[Key, ...]] = TypeAdapter(tuple[Key, ...])


def _read(path: Path) -> tuple[Key, ...]:
    try:
        with path.open("rb") as file:
            return _LIST.validate_json(file.read(MOST_BYTES))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise BurnishError(
            f"{path} is no list of keys: {error.errors()[0]['msg']}", "Make keys anew"
        ) from None


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Whole or not at all, and readable by its owner alone."""
    write_bytes(path, _LIST.dump_json(tuple(keys), indent=2), mode=0o600)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
