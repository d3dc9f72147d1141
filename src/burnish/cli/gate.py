"""`burnish gate BUNDLE --against BASE`: exit 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table, progress
from burnish.cli.options import FloorOption, JudgeOption, read_suite
from burnish.core.evidence import EXIT_CODE, Check, Verdict


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    against: Annotated[str, typer.Option(help="What it must be as good as: a bundle, a model, or icons.")],
    floor: FloorOption = "equivalent",
    suite: Annotated[Path | None, typer.Option(help="A suite file; default: the model's own.")] = None,
    judge: JudgeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge whether a bundle is as good as its base, prompt by prompt on the same seeds."""
    from burnish import api

    with progress() as report:
        found = api.gate(bundle, against, floor=floor, suite=read_suite(suite), judge=judge, report=report)
    if as_json:
        print_json(found)
    else:
        print_verdict(found)
    raise typer.Exit(EXIT_CODE[found.outcome])


def print_verdict(found: Verdict) -> None:
    """The verdict with every check and control behind it."""
    from rich.table import Table

    table = Table(
        "check", "mean", "90 % interval", "bound", "outcome", title=f"{found.floor}: {found.outcome}"
    )
    for check in found.checks:
        more = f" ({check.prompts_to_decide} prompts would decide)" if check.prompts_to_decide else ""
        table.add_row(*_numbers(check), check.outcome + more)
    for check in found.controls:
        table.add_row(*_numbers(check), f"{check.outcome}: {check.why}")
    print_table(table)


def _numbers(check: Check) -> tuple[str, str, str, str]:
    i = check.interval
    return (
        check.metric,
        f"{i.mean:.3g} {check.unit}",
        f"{i.low:.3g} to {i.high:.3g}",
        f"{check.bound:.3g}",
    )
