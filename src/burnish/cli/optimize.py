"""`burnish optimize MODEL`: the cheapest bundle that is as good, with its evidence and a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from burnish.cli.console import print_json, print_table, progress, say
from burnish.cli.gate import print_verdict
from burnish.cli.options import FloorOption, JsonOption, JudgeOption, SuiteOption, read_suite
from burnish.core.bundle import Bundle
from burnish.core.errors import BundleError, PlanError
from burnish.core.plan import Plan
from burnish.core.units import parse_mib, parse_seconds, show_mib, show_seconds

if TYPE_CHECKING:
    from rich.table import Table


def command(
    model: Annotated[str, typer.Argument(help="A diffusers model directory, or icons.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the bundle goes.")] = Path("bundle"),
    target: Annotated[Literal["cpu"], typer.Option(help="What it will run on.")] = "cpu",
    floor: FloorOption = "equivalent",
    max_latency: Annotated[str | None, typer.Option(help='For one picture, as "2s" or "800ms".')] = None,
    max_memory: Annotated[str | None, typer.Option(help='At its peak, as "1GiB" or "400MiB".')] = None,
    time_limit: Annotated[str, typer.Option(help="For trying plans on the selection prompts.")] = "15min",
    suite: SuiteOption = None,
    judge: JudgeOption = None,
    plan: Annotated[Path | None, typer.Option(help="Build this plan (JSON) instead of searching.")] = None,
    stock: Annotated[bool, typer.Option(help="Also measure the stock diffusers pipeline.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make a model cheap on this machine and prove that it is as good."""
    from burnish import api

    if plan is not None:
        if floor != "equivalent" or time_limit != "15min" or max_latency or max_memory or judge:
            raise PlanError(
                "--plan builds that plan, without a search or a verdict",
                "Leave out --floor, --judge, --time-limit and --max-..., and ask burnish gate afterwards",
            )
        _build(model, plan, output, suite, as_json=as_json)
        return
    with progress() as report:
        bundle = api.optimize(
            model,
            output,
            floor=floor,
            max_latency_s=parse_seconds(max_latency) if max_latency is not None else None,
            max_memory_mib=parse_mib(max_memory) if max_memory is not None else None,
            suite=read_suite(suite),
            judge=judge,
            time_limit_s=parse_seconds(time_limit),
            stock=stock,
            report=report,
        )
    if as_json:
        print_json(bundle)
        return
    print_table(comparison(bundle))
    if bundle.verdict is not None:
        print_verdict(bundle.verdict)
    say(f"Bundle: {output}   Report: {output / 'evidence' / 'report.html'}")


def _build(model: str, plan: Path, output: Path, suite: str | None, *, as_json: bool) -> None:
    """One plan, as it is, and what to ask next."""
    from burnish import api

    built = api.build(model, Plan.read(plan), output, suite=read_suite(suite))
    if as_json:
        print_json(built)
    else:
        say(f"Bundle: {output}, without a verdict. Next: burnish gate {output} --against {model}")


def comparison(bundle: Bundle) -> Table:
    """What the original costs, what the optimized costs, how many times less, and how good it is."""
    from rich.table import Table

    original, ours, verdict = bundle.original, bundle.measurement, bundle.verdict
    if original is None or ours is None or verdict is None:
        raise BundleError("the bundle holds no evidence", "burnish optimize MODEL -o DIR")
    stock = original.bundle == bundle.model.digest
    table = Table("", f"original ({'diffusers' if stock else 'fp32 bundle'})", "optimized", "ratio")
    table.add_row("plan", "as published", bundle.plan.describe())
    rows: tuple[tuple[str, Callable[[float], str], float, float], ...] = (
        ("denoiser calls", "{:.0f}".format, original.calls, ours.calls),
        ("denoiser passes", "{:.0f}".format, original.passes, ours.passes),
        ("time per image", show_seconds, original.latency_s, ours.latency_s),
        ("CPU time per image", show_seconds, original.cpu_s, ours.cpu_s),
        ("peak memory", show_mib, original.peak_mib, ours.peak_mib),
        ("peak memory, first start", show_mib, original.first_peak_mib, ours.first_peak_mib),
        ("size on disk", show_mib, original.disk_mib, ours.disk_mib),
        ("cold start to picture", show_seconds, original.cold_start_s, ours.cold_start_s),
        ("first start to picture", show_seconds, original.first_start_s, ours.first_start_s),
    )
    for label, show, theirs, mine in rows:
        table.add_row(label, show(theirs), show(mine), f"{theirs / mine:.1f}x less" if mine else "")
    for check in verdict.checks:
        i = check.interval
        found = f"{i.mean:.3g} ({i.low:.3g} to {i.high:.3g}) {check.unit}"
        table.add_row(check.metric, f"bound {check.bound:.3g}", found, check.outcome)
    table.add_row("verdict", verdict.floor, verdict.outcome)
    return table
