"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from burnish.core.evidence import Suite

FloorOption = Annotated[
    Literal["faithful", "equivalent"],
    typer.Option(help="faithful: the same picture. equivalent: as good a picture."),
]

JudgeOption = Annotated[
    Path | None, typer.Option(help="A CLIPModel directory; default: the icons judge, for icons alone.")
]


def read_suite(path: Path | None) -> Suite | None:
    """The suite in a file, or None for the model's own; raises BundleError naming what is wrong."""
    return Suite.read(path) if path else None
