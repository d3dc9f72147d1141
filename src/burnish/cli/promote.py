"""`burnish promote icons@3`: what the alias `stable` means from now on."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.console import print_json, say
from burnish.cli.options import ByOption, JsonOption, RegistryOption, TrustOption, WhyOption


def command(
    release: Annotated[str, typer.Argument(help="A release, icons@3; a name alone means its candidate.")],
    by: ByOption = "",
    why: WhyOption = "",
    unproven: Annotated[bool, typer.Option(help="Promote what the gate did not pass.")] = False,
    trust: TrustOption = None,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a release the stable one of its name, once its signature and every file hold."""
    from burnish import api

    event = api.promote(release, by=by, why=why, unproven=unproven, trust=trust or (), registry=registry)
    name = release.split("@")[0]
    if as_json:
        print_json(event)
        return
    typer.echo(f"{name}@{event.version}")
    say(f"Stable now. Back again: burnish rollback {name}")
