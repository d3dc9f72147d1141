"""Offers, prices and estimates that tests begin from."""

from __future__ import annotations

import datetime
from typing import Any

from burnish.core.costing import Estimate, Wait
from burnish.core.prices import Demand, EdgeDevice, Offer, PayPerCall, Prices, RentedMachine
from burnish.costs.subjects import Subject

DAY = datetime.date(2026, 1, 31)


def edge(**change: Any) -> EdgeDevice:
    """480 over four years is 10 a month; 100 W is 73 kWh a month, which at 0.5 cost 36.50."""
    given: dict[str, Any] = {
        "kind": "edge",
        "name": "box",
        "source": "a test",
        "speed": "this machine",
        "purchase_price": 480.0,
        "lifetime_years": 4.0,
        "watts": 100.0,
        "electricity_per_kwh": 0.5,
    }
    return EdgeDevice(**given | change)


def rented(**change: Any) -> RentedMachine:
    """A rented machine for 73 a month."""
    given: dict[str, Any] = {"kind": "cpu", "name": "rented", "source": "a test", "per_hour": 0.1}
    return RentedMachine(**given | {"speed": "this machine"} | change)


def service(**change: Any) -> PayPerCall:
    """0.02 an image, in 4 s."""
    given: dict[str, Any] = {"kind": "api", "name": "service", "source": "a test", "per_image": 0.02}
    return PayPerCall(**given | {"latency_s": 4.0} | change)


def prices(*offers: Offer) -> Prices:
    """Prices of the last of January."""
    return Prices(date=DAY, currency="EUR", offers=offers)


def subject(seconds_per_image: float = 2.0, **change: Any) -> Subject:
    """A model that was measured."""
    given: dict[str, Any] = {"name": "model", "seconds_per_image": seconds_per_image, "elsewhere": {}}
    return Subject(**given | change)


def steady(per_hour: float) -> Demand:
    """The same in every hour."""
    return Demand(mean=per_hour, peak_factor=1.0)


def estimate(name: str, **change: Any) -> Estimate:
    """One machine for a demand of 1,000 images a month, which bears 10,000."""
    wait = Wait(p50_s=1.0, p95_s=2.0, p95_low_s=1.9, p95_high_s=2.1, busiest_p95_s=3.0)
    given: dict[str, Any] = {
        "name": name,
        "offer": name,
        "kind": "cpu",
        "seconds_per_image": 1.0,
        "images_per_month": 1000.0,
        "machines": 1,
        "machine_per_month": 100.0,
        "per_image": 0.0,
        "capacity": 10_000.0,
        "wait": wait,
        "meets": True,
    }
    return Estimate(**given | change)
