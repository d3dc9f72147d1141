"""What images would cost a month: bundles or their measurements, a file of prices, a demand."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.costing import Costing
from burnish.core.evidence import Measurement
from burnish.core.files import read_text, write_text
from burnish.core.prices import (
    EXAMPLE,
    Demand,
    PayPerCall,
    PriceError,
    Prices,
    age_warnings,
    read_prices,
)
from burnish.costs.forecast import Question, forecast
from burnish.costs.money import busy_second
from burnish.costs.subjects import Subject

MOST_AGE_DAYS = 90
MOST_BATCH = 1024
MOST_SECONDS = 1e6
MEASURE = "Measure it: burnish measure BUNDLE --json > measured.json, and give that file"


class Named(NamedTuple):
    """A measurement and what it is called in tables."""

    name: str
    measurement: Measurement


def estimate_costs(
    prices: Path | Prices,
    subjects: Sequence[Path] = (),
    *,
    seconds_per_image: float | None = None,
    original: bool = False,
    measured: Mapping[str, Path] | None = None,
    demand: Demand | None = None,
    max_wait_s: float | None = None,
    spread: float = 0.0,
    seed: int = 0,
    loads: bool = False,
    today: datetime.date | None = None,
    max_age_days: int = MOST_AGE_DAYS,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Costing:
    """Money, machines and waits of every offer for every subject, and what to take.

    `subjects` are bundles, or files that `burnish measure --json` wrote; `original` adds what the model cost
    before, as its bundle says. `measured` maps an offer to such a file from that machine. `demand` replaces
    the prices' own; `max_wait_s` is what 95 of 100 images of a day may take, from order to image; `spread` is
    the standard deviation of an image's seconds over their mean; `loads` simulates other demands too.
    `today` None is the day it is. Raises PriceError, BundleError, OSError.
    """
    book = prices if isinstance(prices, Prices) else read_prices(prices)
    warnings = age_warnings(book, today or datetime.date.today(), max_age_days)
    asked = demand or book.demand
    if asked is None:
        raise PriceError("no demand was given", "Write demand: into the price file, or --images-per-hour")
    found = _subjects(subjects, seconds_per_image, original, _elsewhere(book, measured or {}))
    waiting = [o.name for o in book.offers if not isinstance(o, PayPerCall) and o.seconds_per_image is None]
    if waiting and not found:
        problem = f"nothing was given that {waiting[0]} could run"
        raise PriceError(problem, "Give a bundle, a file of burnish measure --json, or --seconds-per-image")
    question = Question(demand=asked, max_wait_s=max_wait_s, spread=spread, seed=seed, loads=loads)
    costing = forecast(book, found, question, report)
    return costing.model_copy(update={"warnings": warnings})


def seconds_for(prices: Path, per_thousand: float, offer: str | None = None) -> float:
    """Seconds on this machine within which a thousand pictures cost no more on an offer that is always busy.

    Without a name the offer is the file's first that is this machine, or said to be so many times as fast.
    Raises PriceError, OSError.
    """
    machines = [
        o for o in read_prices(prices).offers if not isinstance(o, PayPerCall) and o.speed is not None
    ]
    names = ", ".join(o.name for o in machines)
    found = next((o for o in machines if offer in (None, o.name)), None)
    if found is None:
        raise PriceError(
            f"{prices} has no such machine whose speed beside this one's is said: {offer or 'any'}",
            f"The machines with a speed are {names}" if names else 'Give a machine speed: "this machine"',
        )
    there_s = per_thousand / 1000 / busy_second(found)
    return there_s * (found.speed if isinstance(found.speed, float) else 1.0)


def write_costs_report(costing: Costing, path: Path) -> None:
    """Writes the page with its plots, whole or not at all; raises OSError."""
    from burnish.report.money import page

    write_text(path, page(costing))


def write_example(path: Path) -> None:
    """Writes the example of a price file; raises PriceError where something is there, OSError."""
    if path.exists():
        raise PriceError(f"{path} is there", "Name another file")
    write_text(path, EXAMPLE.read_text(encoding="utf-8"))


def _elsewhere(prices: Prices, measured: Mapping[str, Path]) -> dict[str, list[Measurement]]:
    names = [offer.name for offer in prices.offers if not isinstance(offer, PayPerCall)]
    for name in measured:
        if name not in names:
            raise PriceError(f"no machine is called {name!r:.60}", f"The machines are {', '.join(names)}")
    return {name: [m for _, m in _read_measured(path)] for name, path in measured.items()}


def _subjects(
    paths: Sequence[Path],
    seconds_per_image: float | None,
    original: bool,
    elsewhere: Mapping[str, Sequence[Measurement]],
) -> tuple[Subject, ...]:
    named = [one for path in paths for one in _named(path, original)]
    if seconds_per_image is not None:
        given = Measurement(bundle="", latency_s=seconds_per_image)
        named.append(Named("the model", _require_sound(given, "--seconds-per-image")))
    twice = next((n.name for k, n in enumerate(named) if n.name in [m.name for m in named[:k]]), None)
    if twice is not None:
        raise PriceError(f"{twice!r:.60} was given twice", "Give each once, under names of their own")
    return tuple(_subject(one, elsewhere) for one in named)


def _subject(one: Named, elsewhere: Mapping[str, Sequence[Measurement]]) -> Subject:
    m = one.measurement
    there = {}
    for offer, found in elsewhere.items():
        same = next((each for each in found if m.bundle and each.bundle == m.bundle), None)
        if same is None:
            raise PriceError(
                f"what was measured on {offer} is not {one.name}", "Measure the same bundle there"
            )
        there[offer] = same
    return Subject(
        name=one.name,
        seconds_per_image=m.latency_s,
        batch=m.batch,
        cores_busy=m.cpu_s / m.latency_s,
        peak_mib=m.peak_mib,
        elsewhere=there,
    )


def _named(path: Path, original: bool) -> Iterator[Named]:
    """What a bundle says of itself, and of its original; or all that a file of measurements holds."""
    if not path.is_dir():
        yield from _read_measured(path)
        return
    bundle = Bundle.read(path / MANIFEST)
    if bundle.measurement is None:
        raise PriceError(f"{path} was never measured", MEASURE)
    name = path.resolve().name
    yield Named(name, _require_sound(bundle.measurement, str(path)))
    if original and bundle.original is None:
        raise PriceError(f"{path} does not say what the original cost", "Leave out --original")
    if original and bundle.original is not None:
        yield Named(f"original of {name}", _require_sound(bundle.original, str(path)))


def _read_measured(path: Path) -> list[Named]:
    """The costs in a file that `burnish measure --json` wrote; raises PriceError, OSError."""
    try:
        data: Any = json.loads(read_text(path))
        rows = [(_shown(str(row.pop("name"))), row) for row in data["costs"]]
        found = [Named(name, Measurement.model_validate(row)) for name, row in rows]
    except FileNotFoundError:
        raise PriceError(f"{path} does not exist", "Give a bundle, or a file of measurements") from None
    except (RecursionError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        raise PriceError(f"{path} is neither a bundle nor a measurement", MEASURE) from None
    if not found:
        raise PriceError(f"{path} holds no measurement", MEASURE)
    return [Named(name, _require_sound(m, str(path))) for name, m in found]


def _shown(name: str) -> str:
    """A path's last part, or a text, without what does not print."""
    return "".join(c for c in name.rpartition("/")[2] or name if c.isprintable())[:60]


def _require_sound(m: Measurement, where: str) -> Measurement:
    if (
        not 1e-5 <= m.latency_s <= MOST_SECONDS
        or not 1 <= m.batch <= MOST_BATCH
        or m.cpu_s < 0
        or m.peak_mib < 0
    ):
        problem = f"{where}: {m.latency_s:g} s an image in batches of {m.batch} was not measured"
        raise PriceError(problem, MEASURE)
    return m
