"""From prices, demand and measured seconds to estimates, break-even points and a recommendation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from burnish.core.costing import Costing, Estimate, LoadPoint, Wait
from burnish.core.prices import Demand, Machine, Offer, PayPerCall, Prices
from burnish.core.progress import Report
from burnish.costs.advice import assumptions, recommend, would_change
from burnish.costs.money import break_evens, machine_per_month, per_image
from burnish.costs.queue import MOST_SERVERS, Load
from burnish.costs.sizing import Sized, size, waits_by_load
from burnish.costs.subjects import Speed, Subject, speed_on, unfit


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: a demand, the 95th percentile of the wait that must be kept (None: none), and how.

    `spread` is the standard deviation of an image's seconds over their mean.
    """

    demand: Demand
    max_wait_s: float | None = None
    spread: float = 0.0
    seed: int = 0
    loads: bool = False  # whether waits at other demands are simulated too


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to make the images: an offer with what it runs, None where it says its own seconds."""

    name: str
    offer: Offer
    subject: Subject | None


def forecast(
    prices: Prices,
    subjects: Sequence[Subject],
    question: Question,
    report: Report = lambda what, fraction: None,
) -> Costing:
    """Every offer for every subject, the cheapest first. Simulated, and the same for the same seed."""
    ways = tuple(_ways(prices.offers, subjects))
    left_out: dict[str, str] = {}
    found: list[tuple[Way, Estimate]] = []
    for k, way in enumerate(ways):
        report(way.name, k / len(ways))
        estimate = _estimate(way, question)
        if isinstance(estimate, str):
            left_out[way.name] = estimate
        else:
            found.append((way, estimate))
    volume = question.demand.images_per_month
    found.sort(key=lambda pair: (pair[1].monthly(volume), pair[1].wait.p95_s))
    estimates = tuple(estimate for _, estimate in found)
    crossings = break_evens(estimates)
    recommended, nearest = recommend(estimates)
    return Costing(
        prices_of=prices.date,
        currency=prices.currency,
        images_per_hour=question.demand.by_hour,
        images_per_month=volume,
        max_wait_s=question.max_wait_s,
        spread=question.spread,
        seed=question.seed,
        estimates=estimates,
        left_out=left_out,
        break_evens=crossings,
        recommended=recommended,
        nearest=nearest,
        assumptions=assumptions([(way.offer, way.subject) for way, _ in found], question.spread),
        would_change=would_change(estimates, recommended, crossings, prices.currency),
    )


def _ways(offers: Sequence[Offer], subjects: Sequence[Subject]) -> Iterator[Way]:
    for offer in offers:
        there = any(offer.name in subject.elsewhere for subject in subjects)
        if isinstance(offer, PayPerCall) or (offer.seconds_per_image is not None and not there):
            yield Way(name=offer.name, offer=offer, subject=None)
            continue
        for subject in subjects:
            name = f"{subject.name} on {offer.name}" if len(subjects) > 1 else offer.name
            yield Way(name=name, offer=offer, subject=subject)


def _estimate(way: Way, question: Question) -> Estimate | str:
    """The estimate, or why there is none."""
    if isinstance(way.offer, PayPerCall):
        return _paid_by_call(way.offer, question)
    offer, speed = way.offer, speed_on(way.offer, way.subject)
    if reason := unfit(offer, way.subject):
        return reason
    load = Load(
        images_per_hour=question.demand.by_hour,
        call_s=speed.seconds_per_image * speed.batch,
        batch=speed.batch,
        servers=1,
        spread=question.spread,
    )
    sized = size(load, offer.workers, question.max_wait_s, question.seed)
    if sized is None:
        return f"it may take more than {MOST_SERVERS} calls at once, which is not simulated"
    loads: tuple[LoadPoint, ...] = ()
    if question.loads:
        there = replace(load, servers=sized.machines * offer.workers)
        loads = waits_by_load(there, question.demand.images_per_month, question.seed)
    return _on_machines(way, offer, speed, load, sized, question, loads)


def _on_machines(
    way: Way,
    offer: Machine,
    speed: Speed,
    load: Load,
    sized: Sized,
    question: Question,
    loads: tuple[LoadPoint, ...],
) -> Estimate:
    servers = sized.machines * offer.workers
    volume = question.demand.images_per_month
    return Estimate(
        name=way.name,
        offer=offer.name,
        kind=way.offer.kind,
        subject=way.subject.name if way.subject else "",
        seconds_per_image=speed.seconds_per_image,
        images_per_month=volume,
        machines=sized.machines,
        machine_per_month=machine_per_month(offer),
        per_image=per_image(offer, speed.seconds_per_image),
        capacity=volume * sized.room,
        capacity_of_fewer=volume * sized.room_of_fewer,
        utilisation=load.mean / servers,
        busiest_utilisation=load.busiest / servers,
        wait=sized.wait,
        meets=sized.meets,
        loads=loads,
    )


def _paid_by_call(offer: PayPerCall, question: Question) -> Estimate:
    """A service that takes every call at once, however many there are."""
    latency = offer.latency_s
    wait = Wait(p50_s=latency, p95_s=latency, p95_low_s=latency, p95_high_s=latency, busiest_p95_s=latency)
    return Estimate(
        name=offer.name,
        offer=offer.name,
        kind=offer.kind,
        seconds_per_image=latency,
        images_per_month=question.demand.images_per_month,
        machines=0,
        machine_per_month=0.0,
        per_image=per_image(offer, latency),
        wait=wait,
        meets=question.max_wait_s is None or latency <= question.max_wait_s,
    )
