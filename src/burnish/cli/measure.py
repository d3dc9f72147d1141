"""`burnish measure BUNDLE`: what its pictures cost on this machine, and how good those of a suite are.

`burnish measure --make-suite OUT --prompts FILE` makes the suite, from the prompts that users type.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import Report, print_json, print_table, progress, say
from burnish.cli.options import (
    ConfigOption,
    FeaturesOption,
    JsonOption,
    JudgeOption,
    LoraOption,
    SizeOption,
    read_source,
    read_suite,
)
from burnish.core.errors import BundleError, ModelError, SuiteError
from burnish.core.evidence import Measurement, Quality
from burnish.core.source import Source
from burnish.core.units import show_mib, show_seconds

AgainstOption = Annotated[
    str | None, typer.Option(help="Also this bundle, or the stock diffusers pipeline of this model.")
]
DrawnOption = Annotated[
    str | None,
    typer.Option(help="A suite, a file or a shipped name: draw its pictures and say how good they are."),
]
BatchOption = Annotated[int, typer.Option(min=1, max=64, help="Pictures a call.")]
MakeOption = Annotated[
    Path | None, typer.Option(metavar="OUT", help="Make a suite of --prompts, and measure nothing.")
]
PromptsOption = Annotated[
    Path | None, typer.Option(help="With --make-suite: a text file, a prompt a line; or .csv, .jsonl.")
]
SeedsOption = Annotated[int, typer.Option(min=1, max=64, help="With --make-suite: pictures of a prompt.")]
PerturbOption = Annotated[
    bool, typer.Option(help="With --make-suite: typos, other words and orders of each prompt too.")
]


def command(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle directory.")] = None,
    against: AgainstOption = None,
    size: SizeOption = None,
    lora: LoraOption = None,
    config: ConfigOption = None,
    suite: DrawnOption = None,
    judge: JudgeOption = None,
    features: FeaturesOption = None,
    batch: BatchOption = 1,
    make_suite: MakeOption = None,
    prompts: PromptsOption = None,
    seeds: SeedsOption = 2,
    perturb: PerturbOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure seconds, CPU-seconds, memory, disk and cold start; with --suite, quality too."""
    if make_suite is not None or prompts is not None:
        if make_suite is None or prompts is None or (bundle, against, suite, judge) != (None,) * 4:
            raise SuiteError(
                "--make-suite and --prompts make a suite and measure nothing",
                "Give both, and neither a bundle nor what belongs to one",
            )
        print_made(make_suite, prompts, seeds, perturb=perturb, as_json=as_json)
        return
    if bundle is None:
        raise BundleError("no bundle was given", "burnish measure BUNDLE, or --make-suite OUT --prompts FILE")
    from burnish import api

    base = None if against is None else read_source(against, size, lora, config)
    if base is None and (size, lora, config) != (None,) * 3:
        raise ModelError("--size, --lora and --config say what --against opens", "Give --against MODEL too")
    asked = read_suite(suite)
    if (judge or features) is not None and asked is None:
        raise SuiteError("--judge and --features see a suite's pictures", "Give --suite too")
    quality: Quality | None = None
    with progress() as report:
        if asked is not None:  # first, since it is what may be refused
            quality = api.measure_quality(
                bundle, asked, against=base, judge=judge, features=features, report=report
            )
        rows = _costs(bundle, base, batch, report)
    if as_json:
        costs = [{"name": name, **row.model_dump(mode="json")} for name, row in rows]
        print_json({"costs": costs, "quality": quality.model_dump(mode="json") if quality else None})
        return
    print_costs(rows)
    if quality is not None:
        print_quality(quality)


def _costs(bundle: Path, against: Source | None, batch: int, report: Report) -> list[tuple[str, Measurement]]:
    """What the bundle costs and, where there is one, what it is compared with: each with its name."""
    from burnish import api
    from burnish.api.models import is_bundle, open_bundle

    other = against is not None and is_bundle(against)  # which may be refused
    report("measuring the bundle", 0.3)
    rows = [(str(bundle), api.measure(bundle, batch=batch))]
    if against is None:
        return rows
    if other:
        report("measuring the other bundle", 0.6)
        rows.append((str(against), api.measure(Path(against.model), batch=batch)))
    elif not against.as_published:
        report("measuring the original as a bundle", 0.6)
        rows.append((f"{against}, fp32 bundle", api.measure(open_bundle(against).directory, batch=batch)))
    else:
        report("measuring stock diffusers", 0.6)
        rows.append((f"{against} with diffusers", api.measure_stock(against, batch=batch)))
    return rows


def print_costs(rows: Sequence[tuple[str, Measurement]]) -> None:
    """A line for each subject."""
    from rich.table import Table

    table = Table(
        "",
        "calls",
        "passes",
        "s/image",
        "CPU-s/image",
        "peak memory",
        "disk",
        "cold start",
        "first start",
        "energy",
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
            f"{m.energy_j:.3g} J, {m.energy_from}" if m.energy_from else "",
        )
    print_table(table)


def print_quality(found: Quality) -> None:
    """A line for each metric."""
    from rich.table import Table

    table = Table("metric", "mean", "90 % interval", "prompts")
    for name, i in found.metrics.items():
        table.add_row(name, f"{i.mean:.4g}", f"{i.low:.4g} to {i.high:.4g}", str(i.n))
    for name, value in found.advisory.items():
        if name not in found.metrics:  # of the whole sets of pictures, without an interval
            table.add_row(name, f"{value:.4g}", "", "")
    print_table(table)


def print_made(out: Path, prompts: Path, seeds: int, *, perturb: bool, as_json: bool) -> None:
    """Writes the suite, says what went into it, and warns where no gate could pass on it."""
    from burnish.core.suites import require_name, write_suite
    from burnish.measure.gate import require_decidable
    from burnish.measure.user_prompts import collect, counts, read_prompts

    require_name(out)  # before the work
    found = collect(read_prompts(prompts), out.stem, range(seeds), perturb=perturb)
    write_suite(found.suite, out)
    bases = tuple(p for p in found.suite.confirmation if not p.variant_of)
    try:  # a prompt counts once, however many variants it has
        require_decidable(found.suite.model_copy(update={"confirmation": bases}), "equivalent", choosing=True)
    except SuiteError as warning:
        say(f"Warning: no gate can pass on this suite: {warning}")
    if as_json:
        print_json({"suite": str(out), **counts(found)})
        return
    for name, count in counts(found).items():
        shown = ", ".join(f"{n} {what}" for what, n in count.items()) if isinstance(count, dict) else count
        say(f"{name.replace('_', ' ')}: {shown or 'nothing'}")
    sys.stdout.write(f"{out}\n")
