"""`burnish serve icons@stable`: an address that answers with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import say
from burnish.cli.options import RegistryOption, TrustOption


def command(
    releases: Annotated[list[str], typer.Argument(help="Releases: icons@stable, or a name alone.")],
    host: Annotated[
        str, typer.Option(help="The address to listen on; this machine alone unless given.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    folder: Annotated[
        Path | None, typer.Option(help="Where jobs, pictures and keys are kept; default: this user's own.")
    ] = None,
    jobs: Annotated[
        str | None, typer.Option(metavar="URL", help="The jobs' database; default: SQLite in that folder.")
    ] = None,
    most_waiting: Annotated[int, typer.Option(min=1, help="Pictures that may wait.")] = 512,
    most_batch: Annotated[int, typer.Option(min=1, max=64, help="Pictures drawn at once.")] = 16,
    trust: TrustOption = None,
    registry: RegistryOption = None,
) -> None:
    """Serve releases over HTTP, as OpenAI's clients ask, and as jobs; Ctrl-C ends it and loses nothing."""
    from burnish import api

    api.serve(
        releases,
        host=host,
        port=port,
        folder=folder,
        jobs=jobs,
        most_waiting=most_waiting,
        most_batch=most_batch,
        trust=trust or (),
        registry=registry,
        say=say,
    )
