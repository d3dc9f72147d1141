"""`burnish releases [NAME]`: every name, or one name's line of descent and who changed its aliases when."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from burnish.cli.console import print_json, print_table
from burnish.cli.options import JsonOption, RegistryOption


def command(
    name: Annotated[str | None, typer.Argument(help="One name; all of them unless given.")] = None,
    registry: RegistryOption = None,
    as_json: JsonOption = False,
) -> None:
    """List releases: what each was made from, its verdict, its parent, its aliases, and their history."""
    from burnish import api

    found = api.releases(name, registry=registry)
    if as_json:
        print_json({"releases": found})
        return
    _print(found)


def _print(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    versions = Table("release", "aliases", "verdict", "plan", "after", "released", "digest", title="Releases")
    history = Table("when", "who", "did", "why", title="Aliases")
    for one in found:
        numbers = {v["digest"]: v["version"] for v in one["versions"]}
        for v in one["versions"]:
            versions.add_row(
                f"{one['name']}@{v['version']}",
                ", ".join(alias for alias, version in one["aliases"].items() if version == v["version"]),
                v["standing"],
                v["plan"],
                f"@{numbers[v['parent']]}" if v["parent"] in numbers else "",
                f"{v['when'][:16]} {v['by']}",
                v["digest"][:12],
            )
        for event in one["history"]:
            history.add_row(
                event["when"][:19],
                event["who"],
                f"{event['action']} {one['name']}@{event['version']}",
                event["why"],
            )
    print_table(versions)
    print_table(history)
