"""`burnish export icons@3 -o icons-3.tar`: a release as one file, which loads elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json
from burnish.cli.options import JsonOption, RegistryOption, TrustOption


def command(
    release: Annotated[str, typer.Argument(help="A release: icons@3, icons@stable.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    trust: TrustOption = None,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a release to one file, once it verifies; `burnish import` takes it in elsewhere."""
    from burnish import api

    opened = api.export_release(release, output, trust=trust or (), registry=registry)
    if as_json:
        print_json({"path": str(output), "digest": opened.release.digest, "signer": opened.signer})
        return
    typer.echo(output)
