"""Leases: which releases a running server uses, so that none is removed beneath it.

A lease is a lock on a file, which the operating system lets go of when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish.core.files import user_directory


def _place(digest: str) -> Path:
    return user_directory("state") / "leases" / digest


@contextmanager
def lease(digest: str) -> Iterator[None]:
    """Holds a release for as long as the block runs; many may."""
    path = _place(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def free(digest: str) -> Iterator[bool]:
    """Whether no one holds a release; where none does, none can until the block ends."""
    path = _place(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
