"""`burnish import icons-3.tar`: what `burnish export` wrote, into this registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json
from burnish.cli.options import ByOption, JsonOption, RegistryOption, TrustOption, WhyOption


def command(
    file: Annotated[Path, typer.Argument(help="What `burnish export` wrote.")],
    by: ByOption = "",
    why: WhyOption = "",
    trust: TrustOption = None,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a release in, once someone trusted signed it; it becomes the candidate of its name."""
    from burnish import api

    made = api.import_release(file, by=by, why=why, trust=trust or (), registry=registry)
    if as_json:
        print_json({"release": f"{made.name}@{made.version}", "digest": made.digest})
        return
    typer.echo(f"{made.name}@{made.version}")
