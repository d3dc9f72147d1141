"""`burnish measure BUNDLE`: what its pictures cost on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table, progress
from burnish.core.evidence import Measurement
from burnish.core.units import show_mib, show_seconds


def command(
    bundle: Annotated[Path, typer.Argument(help="A bundle directory.")],
    against: Annotated[
        str | None, typer.Option(help="Also the stock diffusers pipeline of this model.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=64, help="Pictures a call.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure seconds, CPU-seconds, memory, disk and cold start."""
    from burnish import api

    rows: dict[str, Measurement] = {}
    with progress() as report:
        report("measuring the bundle", 0.3)
        rows[str(bundle)] = api.measure(bundle, batch=batch)
        if against is not None:
            report("measuring stock diffusers", 0.6)
            rows[f"{against} with diffusers"] = api.measure_stock(against, batch=batch)
    if as_json:
        print_json({name: row.model_dump(mode="json") for name, row in rows.items()})
        return
    from rich.table import Table

    table = Table("", "calls", "passes", "s/image", "CPU-s/image", "peak memory", "disk", "cold start")
    for name, m in rows.items():
        table.add_row(
            name,
            str(m.calls),
            str(m.passes),
            show_seconds(m.latency_s),
            show_seconds(m.cpu_s),
            show_mib(m.peak_mib),
            show_mib(m.disk_mib),
            show_seconds(m.cold_start_s),
        )
    print_table(table)
