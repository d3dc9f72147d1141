"""`burnish collect icons`: old versions that nothing uses, removed."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.console import print_json, say
from burnish.cli.options import JsonOption, RegistryOption


def command(
    name: Annotated[str, typer.Argument(help="The name of a release.")],
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest versions stay in any case.")] = 3,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions for good. What an alias means or a running server uses always stays."""
    from burnish import api

    removed = api.collect_releases(name, keep=keep, registry=registry)
    if as_json:
        print_json({"removed": [f"{name}@{version}" for version in removed]})
        return
    for version in removed:
        typer.echo(f"{name}@{version}")
    if not removed:
        say("Nothing to remove.")
