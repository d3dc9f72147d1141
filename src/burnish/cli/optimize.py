"""`burnish optimize MODEL`: the cheapest bundle that is as good, with its evidence and a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from burnish.cli.console import print_json, print_table, progress, say
from burnish.cli.gate import print_verdict
from burnish.cli.options import (
    ConfigOption,
    CostOption,
    FloorOption,
    JsonOption,
    JudgeOption,
    LoraOption,
    MarginOption,
    RayOption,
    SizeOption,
    SuiteOption,
    read_source,
    read_suite,
)
from burnish.core.budget import Budget
from burnish.core.bundle import Bundle
from burnish.core.errors import BundleError, PlanError
from burnish.core.plan import Plan
from burnish.core.prices import PriceError
from burnish.core.source import Source
from burnish.core.units import parse_mib, parse_seconds, show_mib, show_seconds

if TYPE_CHECKING:
    from rich.table import Table

# What only a search reads.
SEARCHING = (
    *("floor", "margin", "judge", "max_latency", "max_memory", "max_disk", "max_cost", "prices", "offer"),
    *("time_limit", "trials", "ray", "stock"),
)


def command(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A diffusers model directory, a checkpoint, or icons.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the bundle goes.")] = Path("bundle"),
    target: Annotated[Literal["cpu"], typer.Option(help="What it will run on.")] = "cpu",
    floor: FloorOption = "equivalent",
    max_latency: Annotated[str | None, typer.Option(help='For one picture, as "2s" or "800ms".')] = None,
    max_memory: Annotated[str | None, typer.Option(help='At its peak, as "1GiB" or "400MiB".')] = None,
    max_disk: Annotated[str | None, typer.Option(help='Of the bundle, evidence apart, as "50MiB".')] = None,
    max_cost: CostOption = None,
    prices: Annotated[Path | None, typer.Option(help="The price file that --max-cost counts with.")] = None,
    offer: Annotated[str | None, typer.Option(help="The machine of it that --max-cost is about.")] = None,
    margin: MarginOption = "0.25 of seeds",
    time_limit: Annotated[str, typer.Option(help="For exploring and for judging to choose.")] = "15min",
    trials: Annotated[int, typer.Option(min=1, max=10_000, help="Plans to run before any is judged.")] = 96,
    ray: RayOption = None,
    size: SizeOption = None,
    lora: LoraOption = None,
    config: ConfigOption = None,
    suite: SuiteOption = None,
    judge: JudgeOption = None,
    plan: Annotated[Path | None, typer.Option(help="Build this plan (JSON) instead of searching.")] = None,
    stock: Annotated[bool, typer.Option(help="Also measure the stock diffusers pipeline.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Make a model cheap on this machine and prove that it is as good."""
    from burnish import api
    from burnish.measure.margin import read_margin

    source = read_source(model, size, lora, config)
    if plan is not None:
        _require_no_search(context)
        _build(source, plan, output, suite, as_json=as_json)
        return
    budget = Budget(
        latency_s=_seconds(max_latency, max_cost, prices, offer),
        memory_mib=parse_mib(max_memory) if max_memory is not None else None,
        disk_mib=parse_mib(max_disk) if max_disk is not None else None,
    )
    with progress() as report:
        bundle = api.optimize(
            source,
            output,
            floor=floor,
            margin=read_margin(margin),
            budget=budget,
            suite=read_suite(suite),
            judge=judge,
            time_limit_s=parse_seconds(time_limit),
            trials=trials,
            ray=ray,
            stock=stock,
            report=report,
        )
    _print(bundle, output, as_json=as_json)


def _require_no_search(context: typer.Context) -> None:
    """Raises PlanError where something was said that only a search reads."""
    for name in SEARCHING:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise PlanError(
                "--plan builds that plan, without a search or a verdict",
                f"Leave out --{name.replace('_', '-')}, and ask burnish gate afterwards",
            )


def _print(bundle: Bundle, output: Path, *, as_json: bool) -> None:
    """What a search found, and where it lies."""
    if as_json:
        print_json(bundle)
        return
    print_table(comparison(bundle))
    if bundle.verdict is not None:
        print_verdict(bundle.verdict)
    say(f"Bundle: {output}   Report: {output / 'evidence' / 'report.html'}")


def _seconds(
    max_latency: str | None, max_cost: float | None, prices: Path | None, offer: str | None
) -> float | None:
    """Seconds that a picture may take, by the clock and by its cost."""
    from burnish import api

    bounds = [parse_seconds(max_latency)] if max_latency is not None else []
    if max_cost is not None:
        if prices is None:
            raise PriceError("--max-cost is money, and no prices were given", "Give --prices FILE")
        bounds.append(api.seconds_for(prices, max_cost, offer))
    return min(bounds, default=None)


def _build(model: Source, plan: Path, output: Path, suite: str | None, *, as_json: bool) -> None:
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
