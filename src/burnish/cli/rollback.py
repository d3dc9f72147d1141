"""`burnish rollback icons`: the alias `stable` means again what it meant before."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli.console import print_json, say
from burnish.cli.options import ByOption, JsonOption, RegistryOption, TrustOption, WhyOption


def command(
    name: Annotated[str, typer.Argument(help="The name of a release.")],
    by: ByOption = "",
    why: WhyOption = "",
    trust: TrustOption = None,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the release that was stable before the stable one again, once it verifies."""
    from burnish import api

    event = api.rollback(name, by=by, why=why, trust=trust or (), registry=registry)
    if as_json:
        print_json(event)
        return
    typer.echo(f"{name}@{event.version}")
    say("Stable again.")
