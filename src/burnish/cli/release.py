"""`burnish release BUNDLE --name icons`: the next version of a name, signed, in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, say
from burnish.cli.options import ByOption, JsonOption, RegistryOption


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    name: Annotated[str, typer.Option(help="What it is released as: a-z, 0-9 and -.")],
    note: Annotated[str, typer.Option(help="What is new, in a line or two.")] = "",
    by: ByOption = "",
    unproven: Annotated[bool, typer.Option(help="Release what the gate did not pass.")] = False,
    key: Annotated[Path | None, typer.Option(help="A private key (PEM, ECDSA) to sign with.")] = None,
    sigstore: Annotated[
        bool, typer.Option(help="Sign through sigstore, as this machine's identity.")
    ] = False,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a bundle into the registry for good, with its evidence; it becomes the candidate of its name."""
    from burnish import api

    made = api.release(
        bundle,
        name,
        note=note,
        by=by,
        unproven=unproven,
        key=key,
        sigstore=sigstore,
        registry=registry,
    )
    if as_json:
        print_json({"release": f"{made.name}@{made.version}", "digest": made.digest})
        return
    typer.echo(f"{made.name}@{made.version}")
    say(f"Released, {made.told['standing']}. Next: burnish promote {made.name}@{made.version}")
