"""Options that several verbs share."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from burnish.core.errors import ModelError
from burnish.core.evidence import Suite
from burnish.core.source import Lora, Source

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

SizeOption = Annotated[
    str | None, typer.Option(metavar="HxW", help="Pixels of the pictures, where the model's own are others.")
]

LoraOption = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE[:WEIGHT]", help="A LoRA to fuse into the weights; may be given again."),
]

ConfigOption = Annotated[
    Path | None, typer.Option(help="For a checkpoint in one file: a model directory of the same kind.")
]

MarginOption = Annotated[
    str, typer.Option(help='What may be lost: "0.25 of seeds", "0.5 of halved calls" or "1.5 points".')
]

CostOption = Annotated[
    float | None,
    typer.Option(min=1e-6, max=1e9, help="Of a thousand pictures, in the currency of --prices."),
]

RayOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Run plans side by side with Ray: local, or a cluster's address."),
]

RegistryOption = Annotated[
    str | None,
    typer.Option(
        metavar="URI",
        envvar="BURNISH_REGISTRY",
        help="sqlite:///FILE or a tracking server; default: this user's own.",
    ),
]

ByOption = Annotated[str, typer.Option(help="Who does it, for the log; default: this user on this machine.")]

WhyOption = Annotated[str, typer.Option(help="Why, for the log.")]

TrustOption = Annotated[
    list[Path] | None,
    typer.Option("--trust", metavar="FILE", help="A signer's public key (PEM); may be given again."),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_source(model: str, size: str | None, lora: list[str] | None, config: Path | None) -> Source:
    """What is to be opened; raises ModelError for a size that no model is opened at."""
    side = None if size is None else _side(size)
    return Source(model=model, size=side, lora=tuple(map(_lora, lora or ())), config=config)


def _side(size: str) -> int:
    """The side of "512" or "512x512"."""
    match = re.fullmatch(r"(\d{1,6})(?:[xX](\d{1,6}))?", size)
    if match is None:
        raise ModelError(f"{size!r:.40} is no size", "Write 512 or 512x512")
    if match[2] is not None and int(match[1]) != int(match[2]):
        raise ModelError(
            f"a model is opened at a square size, and {size} is none",
            "Give one side; burnish generate has --height and --width, for bundles that draw any size",
        )
    return int(match[1])


def _lora(text: str) -> Lora:
    """A file, and the weight behind the last colon, or 1."""
    file, colon, weight = text.rpartition(":")
    if colon and not Path(text).is_file():
        with suppress(ValueError):  # the colon is the file's own
            return file, float(weight)
    return text, 1.0


def read_suite(value: str | Path | None) -> Suite | None:
    """The suite of a file or of a shipped name, None for the model's own; raises SuiteError, OSError."""
    if value is None:
        return None
    from burnish.core import suites

    return suites.read_suite(suites.find_suite(value))
