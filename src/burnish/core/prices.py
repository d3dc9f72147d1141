"""Prices: what machines and calls cost on a day, and the demand; a YAML file that its user owns."""

from __future__ import annotations

import datetime
import difflib
import json
import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from burnish.core.errors import BurnishError
from burnish.core.files import read_foreign
from burnish.core.strict_yaml import CONTROL, Document, Place, parse_yaml
from burnish.core.values import Part

EXAMPLE = Path(__file__).parents[1] / "models" / "prices.yaml"
MARK = "example"  # how the source of a number begins that nobody has replaced yet
HOURS = 24
HOURS_A_MONTH = 730.0  # 365 days of 24 hours over 12
THIS_MACHINE = "this machine"
MAX_BYTES = 256 << 10
MAX_DEPTH = 4  # mapping, list of offers, mapping


def _printable(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError(f"{text!r:.40} holds a control character")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Money = Annotated[float, Field(ge=0.0, le=1e9)]
PerHour = Annotated[float, Field(ge=0.0, le=1e6)]
Name = Annotated[
    str,
    Field(max_length=60, pattern=r"^[^\t\n]+$", description="a short name that no other offer has"),
    AfterValidator(_printable),
]
Source = Annotated[Text, Field(description="where the numbers come from, in words, and when they were seen")]


class PriceError(BurnishError):
    """A file of prices that cannot be read, or prices that do not fit the question."""


class Machine(Part):
    """What every machine says, bought or rented. Its speed is `speed` or `seconds_per_image`, one of them."""

    name: Name
    source: Source
    speed: Literal["this machine"] | Annotated[float, Field(ge=1e-4, le=1e4)] | None = Field(
        default=None,
        description=f"{THIS_MACHINE}, or how many times as fast as the machine that was measured: 0.5, 3.2",
    )
    seconds_per_image: float | None = Field(
        default=None, ge=1e-5, le=1e6, description="seconds that an image takes on it"
    )
    workers: int = Field(default=1, ge=1, le=256, description="images that it makes at once, 1 or more")
    cores: int | None = Field(default=None, ge=1, le=4096, description="its number of cores, 1 or more")
    memory_mib: float | None = Field(default=None, ge=1.0, le=1e9, description="its memory in MiB")
    other_per_month: Money = Field(
        default=0.0, description="what else it costs a month: care, storage, traffic"
    )

    @model_validator(mode="after")
    def _one_speed(self) -> Self:
        if (self.speed is None) == (self.seconds_per_image is None):
            raise ValueError("speed or seconds_per_image is needed, and not both")
        return self


class EdgeDevice(Machine):
    """A device that is bought, and pays for its electricity."""

    kind: Literal["edge"]
    purchase_price: Money = Field(description="the price of one device")
    lifetime_years: float = Field(ge=0.1, le=50.0, description="years until it is replaced, 0.1 to 50")
    watts: float = Field(ge=0.0, le=1e5, description="its power while it makes images, in watts")
    idle_watts: float | None = Field(
        default=None, ge=0.0, le=1e5, description="its power while it waits, in watts, no more than watts"
    )
    electricity_per_kwh: Money = Field(description="the price of a kilowatt-hour")

    @model_validator(mode="after")
    def _waits_for_less(self) -> Self:
        if self.idle_watts is not None and self.idle_watts > self.watts:
            raise ValueError(f"idle_watts is {self.idle_watts:g}, more than watts")
        return self


class RentedMachine(Machine):
    """A machine that is rented by the hour, around the clock."""

    kind: Literal["cpu", "gpu"]
    per_hour: Money = Field(description="the price of one machine for an hour")


class PayPerCall(Part):
    """A service that is paid by the image."""

    kind: Literal["api"]
    name: Name
    source: Source
    per_image: Money = Field(description="the price of one image")
    latency_s: float = Field(
        ge=0.0, le=1e6, description="seconds until 95 of 100 images are there, as measured or promised"
    )


Offer = Annotated[EdgeDevice | RentedMachine | PayPerCall, Field(discriminator="kind")]


class Demand(Part):
    """Images an hour: for each hour of the day, or a mean and how many times it the busiest hour has."""

    images_per_hour: tuple[PerHour, ...] | None = Field(
        default=None, description="24 numbers, images in each hour of the day from midnight on"
    )
    mean: float | None = Field(default=None, ge=0.01, le=1e6, description="images an hour over the day")
    peak_factor: float | None = Field(
        default=None, ge=1.0, le=12.0, description="the busiest hour over the mean, 1 to 12"
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = self.images_per_hour is not None
        if given == (self.mean is not None) or (given and self.peak_factor is not None):
            raise ValueError("images_per_hour is needed, or mean with peak_factor, and not both")
        if given and len(self.images_per_hour or ()) != HOURS:
            raise ValueError(f"images_per_hour has {len(self.images_per_hour or ())} numbers, not {HOURS}")
        if given and sum(self.images_per_hour or ()) < 0.24:
            raise ValueError("images_per_hour asks for less than an image in four days")
        return self

    @property
    def by_hour(self) -> tuple[float, ...]:
        """Images in each of the 24 hours of a day."""
        if self.images_per_hour is not None:
            return self.images_per_hour
        return daily_curve(self.mean or 0.0, self.peak_factor or 1.0)

    @property
    def images_per_month(self) -> float:
        """Images in a month of 730 hours."""
        return sum(self.by_hour) / HOURS * HOURS_A_MONTH


class Prices(Part):
    """Offers with their prices in one currency, as they were on a day; the demand may stand there too."""

    schema_version: Literal[1] = 1
    date: datetime.date = Field(description="the day on which the prices were seen, such as 2026-01-31")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="three capital letters, such as EUR")
    demand: Demand | None = None
    offers: tuple[Offer, ...] = Field(min_length=1, max_length=24, description="a list of 1 to 24 offers")

    @field_validator("offers", mode="after")
    @classmethod
    def _named_apart(cls, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        names = [offer.name for offer in offers]
        twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
        if twice is not None:
            raise ValueError(f"two offers are called {twice!r:.60}")
        return offers

    @property
    def examples(self) -> tuple[str, ...]:
        """Names of the offers whose source says that their numbers are an example's."""
        return tuple(o.name for o in self.offers if o.source.lower().startswith(MARK))


def daily_curve(mean: float, peak_factor: float) -> tuple[float, ...]:
    """24 hours with this mean, the busiest `peak_factor` times it, falling off smoothly on both sides.

    The shape is the von Mises density, exp(k cos), as round as a clock; k is found by halving.
    """

    def shape(k: float) -> list[float]:
        heights = [math.exp(k * (math.cos(2 * math.pi * hour / HOURS) - 1.0)) for hour in range(HOURS)]
        return [HOURS * height / sum(heights) for height in heights]

    low, high = 0.0, 200.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if shape(middle)[0] < peak_factor else (low, middle)
    curve = shape((low + high) / 2)
    return tuple(mean * height for height in (*curve[12:], *curve[:12]))  # the peak at noon


def read_prices(path: Path) -> Prices:
    """Reads a file of prices; raises PriceError naming the file, the line and what mends it, and OSError."""
    found = parse_yaml(path, read_foreign(path, PriceError, MAX_BYTES), PriceError, MAX_DEPTH)
    try:
        return Prices.model_validate_json(json.dumps(found.data), strict=True)
    except ValidationError as error:
        raise _located(path, found, error) from None


def _located(path: Path, found: Document, error: ValidationError) -> PriceError:
    """The first error, a misspelt field before one that is missing: its line, its field, what that is for."""
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])  # what it was meant for
    place, lacking = _place(found, first["loc"])
    line = next(found.lines[place[:k]] for k in range(len(place), -1, -1) if place[:k] in found.lines)
    name = ".".join(map(str, (*place, lacking) if lacking else place))
    field = "kind" if first["type"].startswith("union_tag") else lacking or str(place[-1] if place else "")
    problem = first["msg"].removeprefix("Value error, ")
    return PriceError(
        f"{path}, line {line}: {f'{name}: ' if name else ''}{problem:.200}", _remedy(field, first["type"])
    )


def _place(found: Document, loc: tuple[str | int, ...]) -> tuple[Place, str]:
    """The steps of an error's place that the file has, and the field that it lacks there, "" for none.

    pydantic puts names of its own between them, such as the kind of an offer.
    """
    place: Place = ()
    for step in loc:
        if (*place, step) in found.lines:
            place = (*place, step)
    last = str(loc[-1]) if loc else ""
    return place, last if last in DESCRIPTIONS and last not in place else ""


def _described(*kinds: type[Part]) -> dict[str, str]:
    return {name: field.description or "" for kind in kinds for name, field in kind.model_fields.items()}


DESCRIPTIONS = _described(Prices, Demand, EdgeDevice, RentedMachine, PayPerCall) | {
    "kind": "edge, cpu, gpu or api",
    "demand": "a mapping of images_per_hour, or of mean and peak_factor",
    "schema_version": "1, or left out",
}


def _remedy(field: str, kind: str) -> str:
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(field, DESCRIPTIONS)
        return f"The nearest field is {near[0]}" if near else f"The example is {EXAMPLE}"
    said = DESCRIPTIONS.get(field, "")
    return f"Give {field}: {said}" if said else f"The example is {EXAMPLE}"


def age_warnings(prices: Prices, today: datetime.date, most_days: int) -> tuple[str, ...]:
    """What is to be said of the prices' day, and of those that nobody replaced; raises PriceError.

    A day that has not come is an error: what is recommended on it would look newer than it is.
    """
    days = (today - prices.date).days
    if days < 0:
        raise PriceError(f"the prices are of {prices.date}, which has not come", "Correct date")
    said = []
    if days > most_days:
        said.append(f"The prices are of {prices.date}, {days} days old. Look them up again.")
    if prices.examples:
        said.append(
            f"Example prices, which nobody offers: {', '.join(prices.examples)}. Replace them by yours."
        )
    return tuple(said)
