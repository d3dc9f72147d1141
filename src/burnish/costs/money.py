"""What a machine costs a month, and an image; and where two ways begin to differ in price."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from burnish.core.costing import BreakEven, Estimate
from burnish.core.prices import HOURS_A_MONTH, EdgeDevice, Machine, PayPerCall, RentedMachine

MONTHS_A_YEAR = 12
JOULES_A_KWH = 3.6e6
FURTHEST = 100.0  # times the demand: break-even points are looked for up to there
MOST_STEPS = 10_000  # and as far as so many machines


def machine_per_month(offer: Machine) -> float:
    """What one machine costs a month, however much it is used, in the file's currency.

    A device that does not say what it draws while it waits is taken to draw its full power all the time.
    """
    if isinstance(offer, RentedMachine):
        return offer.per_hour * HOURS_A_MONTH + offer.other_per_month
    if isinstance(offer, EdgeDevice):
        waits = offer.watts if offer.idle_watts is None else offer.idle_watts
        electricity = waits / 1000.0 * HOURS_A_MONTH * offer.electricity_per_kwh
        return (
            offer.purchase_price / (offer.lifetime_years * MONTHS_A_YEAR)
            + electricity
            + offer.other_per_month
        )
    raise TypeError(f"{type(offer).__name__} is no machine")


def per_image(offer: Machine | PayPerCall, seconds_per_image: float) -> float:
    """What one more image costs on a machine that is there, in the file's currency."""
    if isinstance(offer, PayPerCall):
        return offer.per_image
    if not isinstance(offer, EdgeDevice) or offer.idle_watts is None:
        return 0.0
    joules = (offer.watts - offer.idle_watts) * seconds_per_image / offer.workers
    return joules / JOULES_A_KWH * offer.electricity_per_kwh


def busy_second(offer: Machine) -> float:
    """What an image costs for each second that it takes, on a machine that is never idle."""
    fixed = machine_per_month(offer) / (HOURS_A_MONTH * 3600.0) / offer.workers
    return fixed + per_image(offer, 1.0)


def break_evens(estimates: tuple[Estimate, ...]) -> tuple[BreakEven, ...]:
    """Of each pair that has one, up to a hundred times the demand."""
    found = (break_even(a, b) for a, b in combinations(estimates, 2))
    return tuple(each for each in found if each is not None)


def break_even(a: Estimate, b: Estimate) -> BreakEven | None:
    """Where the cheaper one becomes the other; None where one always is, or both cost the same.

    What each costs is a line with a step wherever another machine is due, so that between two steps the
    volume is (F_a - F_b) / (v_b - v_a), F what the machines cost and v an image.
    """
    few = now = ""
    volumes = []
    for volume, cheaper in _cheaper(a, b):
        few = few or cheaper.name
        if now and cheaper.name != now:
            volumes.append(volume)
        now = cheaper.name
    return BreakEven(names=(a.name, b.name), few=few, volumes=tuple(volumes)) if volumes else None


def _cheaper(a: Estimate, b: Estimate) -> Iterator[tuple[float, Estimate]]:
    """The cheaper one of each stretch, with the volume at which it begins; none where they cost the same."""
    slope = a.per_image - b.per_image
    for start, end in pairwise(_edges(a, b)):
        middle = (start + end) / 2
        fixed = a.monthly(middle) - b.monthly(middle) - slope * middle
        root = -fixed / slope if slope else start
        stretches = (start, root, end) if start < root < end else (start, end)
        for low, high in pairwise(stretches):
            difference = fixed + slope * (low + high) / 2
            if difference:
                yield low, a if difference < 0 else b


def _edges(a: Estimate, b: Estimate) -> list[float]:
    """0, every volume at which one of them needs another machine, and how far is looked."""
    on_machines = [(e, e.capacity) for e in (a, b) if e.capacity is not None]
    most = min([FURTHEST * a.images_per_month, *(MOST_STEPS * c / e.machines for e, c in on_machines)])
    edges = {0.0, most}
    for e, capacity in on_machines:
        share = capacity / e.machines
        edges.update((np.arange(e.machines, most / share + 1) * share).tolist())
        if e.machines > 1:
            share = e.capacity_of_fewer / (e.machines - 1)
            edges.update((np.arange(1, e.machines) * share).tolist())
    return sorted(edge for edge in edges if edge <= most)
