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

SuiteOption = Annotated[
    str | None,
    typer.Option(
        help="A suite: a file (.json .yaml .jsonl .csv) or a shipped name; default: the model's own."
    ),
]

JudgeOption = Annotated[
    Path | None, typer.Option(help="A CLIPModel directory; default: the icons judge, for icons alone.")
]

FeaturesOption = Annotated[
    Path | None, typer.Option(help="A directory of an encoder that sees distances; default: the judge.")
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_suite(value: str | Path | None) -> Suite | None:
    """The suite of a file or of a shipped name, None for the model's own; raises SuiteError, OSError."""
    if value is None:
        return None
    from burnish.core import suites

    return suites.read_suite(suites.find_suite(value))
