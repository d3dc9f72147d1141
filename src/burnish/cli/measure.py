"""`burnish measure BUNDLE`: what its pictures cost on this machine, and how good those of a suite are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table, progress
from burnish.cli.options import JudgeOption, read_suite
from burnish.core.bundle import MANIFEST
from burnish.core.errors import SuiteError
from burnish.core.evidence import Measurement, Quality
from burnish.core.units import show_mib, show_seconds


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    against: Annotated[
        str | None, typer.Option(help="Also this bundle, or the stock diffusers pipeline of this model.")
    ] = None,
    suite: Annotated[
        Path | None, typer.Option(help="A suite file: draw its pictures and say how good they are.")
    ] = None,
    judge: JudgeOption = None,
    batch: Annotated[int, typer.Option(min=1, max=64, help="Pictures a call.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure seconds, CPU-seconds, memory, disk and cold start; with --suite, quality too."""
    from burnish import api

    rows: list[tuple[str, Measurement]] = []
    quality: Quality | None = None
    asked = read_suite(suite)
    if judge is not None and asked is None:
        raise SuiteError("--judge judges a suite's pictures", "Give --suite too")
    with progress() as report:
        if asked is not None:  # first, since it is what may be refused
            quality = api.measure_quality(bundle, asked, against=against, judge=judge, report=report)
        report("measuring the bundle", 0.3)
        rows.append((str(bundle), api.measure(bundle, batch=batch)))
        if against is not None and (Path(against) / MANIFEST).is_file():
            report("measuring the other bundle", 0.6)
            rows.append((against, api.measure(Path(against), batch=batch)))
        elif against is not None:
            report("measuring stock diffusers", 0.6)
            rows.append((f"{against} with diffusers", api.measure_stock(against, batch=batch)))
    if as_json:
        costs = [{"name": name, **row.model_dump(mode="json")} for name, row in rows]
        print_json({"costs": costs, "quality": quality.model_dump(mode="json") if quality else None})
        return
    print_costs(rows)
    if quality is not None:
        print_quality(quality)


def print_costs(rows: Sequence[tuple[str, Measurement]]) -> None:
    """A line for each subject."""
    from rich.table import Table

    table = Table(
        "", "calls", "passes", "s/image", "CPU-s/image", "peak memory", "disk", "cold start", "first start"
    )
    for name, m in rows:
        table.add_row(
            name,
            str(m.calls),
            str(m.passes),
            show_seconds(m.latency_s),
            show_seconds(m.cpu_s),
            show_mib(m.peak_mib),
            show_mib(m.disk_mib),
            show_seconds(m.cold_start_s),
            f"{show_seconds(m.first_start_s)}, {show_mib(m.first_peak_mib)}",
        )
    print_table(table)


def print_quality(found: Quality) -> None:
    """A line for each metric."""
    from rich.table import Table

    table = Table("metric", "mean", "90 % interval", "prompts")
    for name, i in found.metrics.items():
        table.add_row(name, f"{i.mean:.4g}", f"{i.low:.4g} to {i.high:.4g}", str(i.n))
    print_table(table)
