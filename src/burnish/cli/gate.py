"""`burnish gate BUNDLE --against BASE`: exit 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table, progress
from burnish.cli.options import (
    ConfigOption,
    FeaturesOption,
    FloorOption,
    JsonOption,
    JudgeOption,
    LoraOption,
    MarginOption,
    SizeOption,
    SuiteOption,
    read_source,
    read_suite,
)
from burnish.core.evidence import EXIT_CODE, Check, Planned, Verdict


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    against: Annotated[str, typer.Option(help="What it must be as good as: a bundle, a model, or icons.")],
    size: SizeOption = None,
    lora: LoraOption = None,
    config: ConfigOption = None,
    floor: FloorOption = "equivalent",
    suite: SuiteOption = None,
    judge: JudgeOption = None,
    features: FeaturesOption = None,
    margin: MarginOption = "0.25 of seeds",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for verdict.json, junit.xml, report.html.")
    ] = None,
    pilot: Annotated[
        bool, typer.Option(help="Draw a few selection prompts, and say how many would decide; no verdict.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge whether a bundle is as good as its base, prompt by prompt on the same seeds."""
    from burnish import api
    from burnish.measure.margin import read_margin

    with progress() as report:
        asked = api.open_question(
            bundle,
            read_source(against, size, lora, config),
            floor=floor,
            suite=read_suite(suite),
            judge=judge,
            features=features,
            margin=read_margin(margin),
        )
        if pilot:
            planned = api.pilot(asked, report)
        else:
            found = api.decide(asked, output, report)
    if pilot:
        print_json(planned) if as_json else print_planned(planned)
        return
    print_json(found) if as_json else print_verdict(found)
    raise typer.Exit(EXIT_CODE[found.outcome])


def print_verdict(found: Verdict) -> None:
    """The verdict with every check, slice and control behind it, and what is watched."""
    from rich.table import Table

    table = Table(
        "check", "mean", "90 % interval", "bound", "outcome", title=f"{found.floor}: {found.outcome}"
    )
    for check in found.checks:
        table.add_row(*_numbers(check), _decided(check))
    for name, checks in (("slice", found.slices), ("watched", found.watched)):
        for check in checks:
            metric, *numbers = _numbers(check)
            table.add_row(
                f"{name}, {metric}", *numbers, ALARM[check.outcome] if name == "watched" else _decided(check)
            )
    for check in [found.rival] if found.rival else []:
        table.add_row(*_numbers(check), _decided(check))
    for check in found.controls:
        table.add_row(*_numbers(check), f"{check.outcome}: {check.why}")
    print_table(table)


ALARM = {"PASS": "no alarm", "FAIL": "ALARM", "INCONCLUSIVE": "unclear"}


def print_planned(planned: Planned) -> None:
    """How many prompts would decide, check by check."""
    from rich.table import Table

    table = Table("check", "prompts for a verdict", "there are", title=f"From {planned.pilot} pilot prompts")
    for name, needed in planned.needed.items():
        table.add_row(name, f"{needed:,}", f"{planned.there[name]:,}")
    print_table(table)


def _decided(check: Check) -> str:
    more = f" ({check.prompts_to_decide} prompts would decide)" if check.prompts_to_decide else ""
    return check.outcome + more


def _numbers(check: Check) -> tuple[str, str, str, str]:
    i = check.interval
    mean, low, high, bound = (f"{round(x, 9) + 0.0:.3g}" for x in (i.mean, i.low, i.high, check.bound))
    return check.metric, f"{mean} {check.unit}", f"{low} to {high}", bound  # 1e-16 is a sum's rounding
