"""The base of every value that crosses a file: frozen, strict, keyword-only, saved as readable JSON."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from burnish.core.errors import BundleError
from burnish.core.files import read_text, write_text

# A list of plain numbers reads better on one line. A string in JSON holds no newline, so none is matched.
NUMBER = r"\n *-?\d[\d.eE+-]*"
NUMBERS = re.compile(rf"\[{NUMBER}(?:,{NUMBER})*\n *\]")


class Part(BaseModel):
    """A frozen part of a value. Unknown fields are refused, not ignored, and so is what JSON cannot say."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class Value(Part):
    """A value that is a file of its own: it carries a schema version, and is saved and read whole."""

    version: ClassVar[int] = 1
    remedy: ClassVar[str] = "Build it again"  # for a file of this kind that cannot be read
    schema_version: int = Field(default=1)

    def save(self, path: Path) -> None:
        """Writes readable JSON, whole or not at all; raises OSError (disk full)."""
        text = self.model_dump_json(indent=2)
        write_text(path, NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises BundleError naming the file and the first bad field."""
        try:
            data: Any = json.loads(read_text(path))
        except FileNotFoundError:
            raise BundleError(f"{path} does not exist", "Check the path, or build it again") from None
        except (RecursionError, ValueError) as error:  # too deep; not UTF-8, not JSON, too many digits
            raise BundleError(f"{path} is not JSON: {error}", cls.remedy) from None
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
            near = difflib.get_close_matches(str(first["loc"][-1]) if first["loc"] else "", cls.model_fields)
            meant = near and first["type"] == "extra_forbidden"
            remedy = f"The nearest field is {near[0]}" if meant else cls.remedy
            raise BundleError(
                f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}", remedy
            ) from None
