"""Pictures by content: a file is named by its own sha256, so that the same picture is kept once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from burnish.core.files import write_bytes


class Folder:
    """A folder of pictures, spread over 256 folders."""

    def __init__(self, root: Path) -> None:
        """`root` may not exist yet."""
        self._root = root

    def put(self, data: bytes) -> str:
        """Keeps a file and gives its digest; raises OSError, keeping nothing."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if not path.is_file():
            write_bytes(path, data)
            _settle(path)
        return digest

    def path(self, digest: str) -> Path:
        """Where a picture lies, if it is there."""
        return self._root / digest[:2] / f"{digest}.png"

    def remove(self, digests: Iterable[str]) -> None:
        """Those that are there."""
        for digest in digests:
            self.path(digest).unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """On the disk before anyone says that it is there."""
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
