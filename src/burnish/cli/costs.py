"""`burnish costs BUNDLE --prices FILE`: measured seconds as money, waiting times and a recommendation.

`burnish costs --make-prices OUT` writes an example of a price file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.console import print_json, print_table, progress, say
from burnish.cli.options import JsonOption
from burnish.core.costing import Costing
from burnish.core.prices import Demand, PriceError
from burnish.core.units import parse_seconds

TOO_SLOW = 1  # as a gate's FAIL: what was asked for is not kept


SubjectsArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Bundles, or files that burnish measure --json wrote.", metavar="[BUNDLE]..."),
]
PricesOption = Annotated[Path | None, typer.Option(help="A price file; --make-prices writes an example.")]
SecondsOption = Annotated[
    float | None, typer.Option(min=1e-5, max=1e6, help="Instead of a bundle, or beside it.")
]
OriginalOption = Annotated[bool, typer.Option(help="Also the model as it was before, as its bundle says.")]
MeasuredOption = Annotated[
    list[str] | None,
    typer.Option(metavar="OFFER=FILE", help="What burnish measure --json said on that machine."),
]
MeanOption = Annotated[
    float | None, typer.Option(min=0.01, max=1e6, help="Mean over the day, instead of the file's demand.")
]
PeakOption = Annotated[
    float | None, typer.Option(min=1.0, max=12.0, help="The busiest hour over that mean; default 1.")
]
WaitOption = Annotated[
    str | None, typer.Option(help="What 95 of 100 images may take from order to image: 800ms, 10s, 2min.")
]
SpreadOption = Annotated[
    float, typer.Option(min=0.0, max=3.0, help="How much an image's seconds vary: deviation over mean.")
]
AgeOption = Annotated[int, typer.Option(min=0, help="Days after which prices are called old.")]
SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the simulated orders.")]
PageOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML page with plots.")
]
ExampleOption = Annotated[
    Path | None, typer.Option(metavar="OUT", help="Write an example of a price file, and nothing else.")
]


def command(
    subjects: SubjectsArgument = None,
    prices: PricesOption = None,
    seconds_per_image: SecondsOption = None,
    original: OriginalOption = False,
    measured: MeasuredOption = None,
    images_per_hour: MeanOption = None,
    peak_factor: PeakOption = None,
    max_wait: WaitOption = None,
    spread: SpreadOption = 0.0,
    max_age: AgeOption = 90,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    page: PageOption = None,
    make_prices: ExampleOption = None,
) -> None:
    """Say what images cost a month on each offer, how long people wait, and which to take."""
    from burnish.api.money import estimate_costs

    if make_prices is not None:
        print_example(make_prices)
        return
    book = require_files(prices, page)
    with progress() as report:
        found = estimate_costs(
            book,
            subjects or (),
            seconds_per_image=seconds_per_image,
            original=original,
            measured=dict(map(read_pair, measured or ())),
            demand=read_demand(images_per_hour, peak_factor),
            max_wait_s=None if max_wait is None else parse_seconds(max_wait),
            spread=spread,
            seed=seed,
            loads=page is not None,
            max_age_days=max_age,
            report=report,
        )
    show(found, page, as_json=as_json)
    if not found.recommended:
        raise typer.Exit(TOO_SLOW)


def print_example(out: Path) -> None:
    """Writes an example of a price file, and prints where; raises PriceError where a file is there."""
    from burnish.api.money import write_example

    write_example(out)
    sys.stdout.write(f"{out}\n")


def require_files(prices: Path | None, page: Path | None) -> Path:
    """The price file; raises PriceError where none is given, or where the page's file is a directory."""
    if prices is None:
        raise PriceError("no prices were given", "Give --prices FILE; --make-prices FILE writes an example")
    if page is not None and page.is_dir():
        raise PriceError(f"{page} is a directory", "Name a file: --report costs.html")
    return prices


def show(found: Costing, page: Path | None, *, as_json: bool) -> None:
    """Writes the page where one is asked for, and prints warnings and the result."""
    from burnish.api.money import write_costs_report

    if page is not None:
        write_costs_report(found, page)
    for warning in found.warnings:
        say(f"Warning: {warning}")
    if as_json:
        print_json(found)
    else:
        print_costing(found)


def read_pair(text: str) -> tuple[str, Path]:
    """An offer and a file from "rented CPU=there.json"; raises PriceError."""
    offer, equals, path = text.rpartition("=")
    if not equals or not offer or not path:
        raise PriceError(f"{text!r:.60} names no offer and file", 'Write --measured "rented CPU=there.json"')
    return offer, Path(path)


def read_demand(mean: float | None, peak_factor: float | None) -> Demand | None:
    """The demand that options give, None where the price file's is meant; raises PriceError."""
    if mean is None and peak_factor is not None:
        raise PriceError("--peak-factor is of a mean", "Give --images-per-hour too")
    return None if mean is None else Demand(mean=mean, peak_factor=peak_factor or 1.0)


def print_costing(found: Costing) -> None:
    """A line for each way, the pairs' break-even points, and then in words what to take."""
    from rich.table import Table

    from burnish.report.money import BREAK_EVEN_HEADS, HEADS, break_even_cells, cells

    volume = found.images_per_month
    title = f"{volume:,.0f} images a month, prices of {found.prices_of}, in {found.currency}"
    table = Table("", *HEADS, title=title, title_justify="left")
    for estimate in found.estimates:
        table.add_row(estimate.name, *cells(estimate, volume))
    print_table(table)
    if found.break_evens:
        pairs = Table(*BREAK_EVEN_HEADS)
        for pair in found.break_evens:
            pairs.add_row(*break_even_cells(pair))
        print_table(pairs)
    for line in _words(found):
        sys.stdout.write(f"{line}\n")


def _words(found: Costing) -> Iterator[str]:
    from burnish.report.money import sentence

    yield from (f"{name} is left out: {reason}." for name, reason in found.left_out.items())
    yield sentence(found)
    for head, lines in (("What would change it", found.would_change), ("Assumed", found.assumptions)):
        if lines:
            yield f"{head}:"
            yield from (f"  {line}" for line in lines)
