"""What to take, on what assumptions, and what would change it; in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.core.costing import BreakEven, Estimate
from burnish.core.prices import EdgeDevice, Machine, Offer, PayPerCall
from burnish.core.units import show_seconds
from burnish.costs.money import FURTHEST
from burnish.costs.subjects import Subject, speed_on

ALWAYS = (
    "A month has 730 hours, all days are alike, and within an hour orders come by chance (Poisson).",
    "A wait is from the order to the finished image, without the network; its p95 is over all images of a "
    "day, and the busiest hour waits longer.",
    "Machines run around the clock, share one queue, first come first served, and none fails. Machines that "
    "are switched off in quiet hours would cost less.",
)


def recommend(estimates: Sequence[Estimate]) -> tuple[str, str]:
    """(the cheapest that keeps the wait, "") or ("", the one with the shortest p95); estimates by cost."""
    kept = next((e.name for e in estimates if e.meets), "")
    if kept or not estimates:
        return kept, ""
    return "", min(estimates, key=lambda e: e.wait.p95_s).name


def assumptions(ways: Sequence[tuple[Offer, Subject | None]], spread: float) -> tuple[str, ...]:
    """Everything that was taken for granted, with its numbers; each sentence once."""
    found = list(ALWAYS)
    varies = f"vary by {spread:g} of their mean (gamma)" if spread else "are always the same"
    found.append(f"The seconds of an image {varies}.")
    for offer, subject in ways:
        if isinstance(offer, PayPerCall):
            found.append(
                f"{offer.name}: every image is there after {show_seconds(offer.latency_s)}, however many are "
                "ordered; its quality is not compared."
            )
        else:
            found += _of_machine(offer, subject)
    return tuple(dict.fromkeys(found))


def _of_machine(offer: Machine, subject: Subject | None) -> list[str]:
    speed = speed_on(offer, subject)
    what = f"{subject.name} on {offer.name}" if subject else offer.name
    known = "It was not measured there." if speed.assumed else ""
    found = [f"{what}: {show_seconds(speed.seconds_per_image)} an image, {speed.why}. {known}".rstrip()]
    if offer.workers > 1:
        found.append(
            f"{offer.name}: {offer.workers} images at once, each as fast as one alone; they share memory and "
            "caches, so measure it."
        )
    if speed.batch > 1:
        found.append(
            f"{what}: up to {speed.batch} images a call; a call that is not full takes as long as a full one."
        )
    if isinstance(offer, EdgeDevice):
        waits = (
            "as much while it waits" if offer.idle_watts is None else f"{offer.idle_watts:g} W while it waits"
        )
        found.append(
            f"{offer.name}: lasts {offer.lifetime_years:g} years, draws {offer.watts:g} W while it works and "
            f"{waits}."
        )
    return found


def would_change(
    estimates: Sequence[Estimate], recommended: str, crossings: Sequence[BreakEven], currency: str
) -> tuple[str, ...]:
    """At which volume, at which price and at which speed the recommendation would be another."""
    best = next((e for e in estimates if e.name == recommended), None)
    if best is None:
        return ()
    volume = best.images_per_month
    others = [e for e in estimates if e.meets and e is not best]
    return (
        *_by_volume(best, crossings, {e.name for e in others}, volume),
        *_by_price(best, others, volume, currency),
        *_by_room(best, volume),
    )


def _by_volume(best: Estimate, crossings: Sequence[BreakEven], kept: set[str], volume: float) -> list[str]:
    """The nearest volumes on both sides at which another one that keeps the wait is cheaper."""
    others = [
        (crossing, other)
        for crossing in crossings
        for other in crossing.names
        if best.name in crossing.names and other in kept
    ]
    above = [(v, other) for c, other in others for v in c.volumes if v > volume and c.cheaper_at(v) == other]
    below = [(v, other) for c, other in others for v in c.volumes if v <= volume and c.cheaper_at(v) != other]
    found = []
    if above:
        at, other = min(above)
        found.append(f"Volume: above {at:,.0f} images a month {other} is cheaper.")
    if below:
        at, other = max(below)
        found.append(f"Volume: below {at:,.0f} images a month {other} is cheaper.")
    none = f"Volume: up to {FURTHEST:g} times the demand nothing that keeps the wait is cheaper."
    return found or [none]


def _by_price(best: Estimate, others: Sequence[Estimate], volume: float, currency: str) -> list[str]:
    if not others:
        return []
    cost, second = best.monthly(volume), min(others, key=lambda e: e.monthly(volume))
    gap = second.monthly(volume) - cost
    share = f", {gap / cost:.0%}" if cost else ""
    return [
        f"Price: {best.name} would have to cost {gap:,.2f} {currency} a month more{share}, for "
        f"{second.name} to be cheaper."
    ]


def _by_room(best: Estimate, volume: float) -> list[str]:
    if best.capacity is None:
        return []
    one = best.machines == 1
    machines, s = f"{best.machines} machine{'' if one else 's'}", "s" * one
    return [
        f"Room: {machines} of {best.name} bear{s} about {best.capacity:,.0f} images a month, "
        f"{best.capacity / volume:.2f} times the demand; then another is due."
    ]
