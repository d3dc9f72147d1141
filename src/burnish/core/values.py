"""The base of every value that crosses a file: frozen, strict, keyword-only, saved as readable JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from burnish.core.errors import BundleError
from burnish.core.files import read_text, write_text


class Value(BaseModel):
    """A frozen value with a schema version. Unknown fields are refused, not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    version: ClassVar[int] = 1
    schema_version: int = Field(default=1)

    def save(self, path: Path) -> None:
        """Writes readable JSON, whole or not at all; raises OSError (disk full)."""
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises BundleError naming the file and the first bad field."""
        try:
            data: Any = json.loads(read_text(path))
        except FileNotFoundError:
            raise BundleError(f"{path} does not exist", "Check the path, or build it again") from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleError(f"{path} is not JSON: {error}", "Build it again") from None
        if isinstance(data, dict) and data.get("schema_version", 1) != cls.version:
            raise BundleError(
                f"{path} has schema version {data['schema_version']}, this program reads {cls.version}",
                "Use the Burnish version that wrote it, or build it again",
            )
        try:
            return cls.model_validate_json(json.dumps(data))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise BundleError(f"{path}: {where}: {first['msg']}", "Build it again") from None
