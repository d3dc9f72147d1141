"""`burnish audit BUNDLE --against BASE`: what optimization changed beside quality."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from burnish.cli.console import print_json, print_table, progress, say
from burnish.cli.options import JsonOption, JudgeOption, SuiteOption, read_suite
from burnish.core.errors import SuiteError
from burnish.core.findings import Audit, AuditPart, Finding

MOST_SEEDS = 64


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    against: Annotated[str, typer.Option(help="The original: a bundle, a model, or icons.")],
    only: Annotated[
        str, typer.Option(help="Some of robustness,novelty,bias,memorisation,membership; default: all.")
    ] = "",
    suite: SuiteOption = None,
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of training pictures; held-out ones in its folder held-out."),
    ] = None,
    judge: JudgeOption = None,
    prompts: Annotated[int, typer.Option(min=2, max=10_000, help="Prompts of a part, at most.")] = 40,
    seeds: Annotated[int, typer.Option(min=1, max=MOST_SEEDS, help="Pictures of a prompt.")] = 1,
    as_json: JsonOption = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A folder for audit.json and audit.html.")
    ] = None,
) -> None:
    """Say what optimization changed beside quality: robustness, novelty, bias, memorisation, membership."""
    from burnish.api.audits import audit

    parts = read_parts(only)
    _require_folder(output)
    with progress() as report:
        found = audit(
            bundle,
            against,
            only=parts,
            suite=read_suite(suite),
            data=data,
            judge=judge,
            prompts=prompts,
            seeds=tuple(range(seeds)),
            report=report,
        )
    if output is not None:
        _write(found, output, {"bundle": str(bundle), "against": against})
    if as_json:
        print_json(found)
        return
    for finding in found.findings:
        print_finding(finding)


def _require_folder(output: Path | None) -> None:
    if output is not None and output.exists() and not output.is_dir():
        raise SuiteError(f"{output} is a file", "Give a folder")


def read_parts(text: str) -> tuple[AuditPart, ...]:
    """The parts that a list with commas names, all where it is empty; raises SuiteError."""
    known: tuple[AuditPart, ...] = get_args(AuditPart)
    asked = [word.strip() for word in text.split(",") if word.strip()]
    if unknown := [word for word in asked if word not in known]:
        raise SuiteError(f"{unknown[0]!r:.40} is no part of an audit", f"Take some of {', '.join(known)}")
    return tuple(part for part in known if part in asked) or known


def print_finding(finding: Finding) -> None:
    """One part: its answer, a line for each comparison, and what the numbers do not say."""
    from rich.table import Table

    from burnish.audit.page import HEADS, TITLES, cells

    title = TITLES[finding.part]
    if finding.left_out:
        say(f"{title}: left out, {finding.left_out}.")
        return
    table = Table(title, *HEADS, title=finding.answer, title_justify="left")
    for comparison in finding.comparisons:
        table.add_row(*cells(comparison))
    print_table(table)
    if finding.numbers:
        beside = Table("beside them", "value")
        for name, value in finding.numbers.items():
            beside.add_row(name, f"{value:.3g}")
        print_table(beside)
    for limit in finding.limits:
        say(f"  {limit}")


def _write(found: Audit, directory: Path, names: dict[str, str]) -> None:
    from burnish.audit.page import page
    from burnish.core.files import write_text

    found.save(directory / "audit.json")
    write_text(directory / "audit.html", page(found, names))
