"""`burnish optimize MODEL`: the cheapest bundle that is as good, with its evidence and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from burnish.cli.console import out, print_json, progress, say
from burnish.cli.gate import print_verdict
from burnish.cli.options import FloorOption, read_suite
from burnish.core.plan import Plan
from burnish.core.units import parse_seconds, show_mib, show_seconds


def command(
    model: Annotated[str, typer.Argument(help="A diffusers model directory, or icons.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the bundle goes.")] = Path("bundle"),
    target: Annotated[Literal["cpu"], typer.Option(help="What it will run on.")] = "cpu",
    floor: FloorOption = "equivalent",
    max_latency: Annotated[str | None, typer.Option(help='For one picture, as "2s" or "800ms".')] = None,
    time_limit: Annotated[str, typer.Option(help="For the search.")] = "15min",
    suite: Annotated[Path | None, typer.Option(help="A suite file; default: the model's own.")] = None,
    judge: Annotated[
        Path | None, typer.Option(help="A CLIPModel directory; default: the icons judge.")
    ] = None,
    plan: Annotated[Path | None, typer.Option(help="Build this plan (JSON) instead of searching.")] = None,
    stock: Annotated[bool, typer.Option(help="Also measure the stock diffusers pipeline.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a model cheap on this machine and prove that it is as good."""
    from burnish import api
    from burnish.cli.evidence import write_evidence

    if plan is not None:
        built = api.build(model, Plan.read(plan), output, suite=read_suite(suite))
        print_json(built) if as_json else say(
            f"Bundle: {output}, without a verdict. Next: burnish gate {output}"
        )
        return
    limit = parse_seconds(max_latency) if max_latency else None
    with progress() as report:
        found = api.optimize(
            model,
            output,
            floor=floor,
            max_latency_s=limit,
            suite=read_suite(suite),
            judge=judge,
            time_limit_s=parse_seconds(time_limit),
            report=report,
        )
        report("measuring stock diffusers", 0.5)
        original = api.measure_stock(model) if stock else api.measure(found.reference)
        report("writing the report", 0.9)
        bundle = write_evidence(found, original, stock=stock)
    if as_json:
        print_json(bundle)
        return
    optimized = bundle.measurement
    assert optimized is not None  # noqa: S101 - api.optimize has just measured it
    table = Table(
        "", "plan", "calls", "passes", "s/image", "CPU-s/image", "peak memory", "disk", "cold start"
    )
    name = "original, diffusers" if stock else "original, fp32 bundle"
    for title, how, m in (
        (name, "as published", original),
        ("optimized", bundle.plan.describe(), optimized),
    ):
        table.add_row(
            title,
            how,
            str(m.calls),
            str(m.passes),
            show_seconds(m.latency_s),
            show_seconds(m.cpu_s),
            show_mib(m.peak_mib),
            show_mib(m.disk_mib),
            show_seconds(m.cold_start_s),
        )
    out.print(table)
    print_verdict(found.verdict)
    say(f"Bundle: {output}   Report: {output / 'evidence' / 'report.html'}")
