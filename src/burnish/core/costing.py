"""Costing: what images cost a month on each offer, how long people wait for them, and what to take."""

from __future__ import annotations

import datetime
import math
from typing import ClassVar

from pydantic import Field, NonNegativeFloat

from burnish.core.values import Part, Value


class Wait(Part):
    """Seconds from an order to its finished image, over all images of a simulated day."""

    p50_s: NonNegativeFloat
    p95_s: NonNegativeFloat
    p95_low_s: NonNegativeFloat  # 90 % interval of the simulation: 95 % at each end
    p95_high_s: NonNegativeFloat
    busiest_p95_s: NonNegativeFloat  # of the images ordered in the busiest hour of the day


class LoadPoint(Part):
    """How long people would wait with the same machines at another demand of the same daily shape."""

    images_per_month: NonNegativeFloat
    p50_s: NonNegativeFloat
    p95_s: NonNegativeFloat


class Estimate(Part):
    """One way to make the images: an offer, and what it runs.

    `machines` are what the demand `images_per_month` needs; they bear up to `capacity` images a month, and
    one machine less bears `capacity_of_fewer`. A service that is paid by the image has neither.
    """

    name: str
    offer: str
    kind: str
    subject: str = ""  # what is run, "" where the offer says its own seconds
    seconds_per_image: NonNegativeFloat
    images_per_month: NonNegativeFloat
    machines: int = Field(ge=0)
    machine_per_month: NonNegativeFloat  # of one machine
    per_image: NonNegativeFloat  # what each image costs beside
    capacity: NonNegativeFloat | None = None
    capacity_of_fewer: NonNegativeFloat = 0.0
    utilisation: NonNegativeFloat = 0.0  # images made over images that could be made, over the day
    busiest_utilisation: NonNegativeFloat = 0.0
    wait: Wait
    meets: bool
    loads: tuple[LoadPoint, ...] = ()

    def machines_at(self, images_per_month: float) -> int:
        """Machines for another demand of the same daily shape, never fewer for a larger one.

        Both capacities were simulated; beyond them each machine is taken to bear an equal share. Many
        machines share one queue better than few, so this is careful above and hopeful below.
        """
        if self.capacity is None:
            return 0
        if self.capacity_of_fewer < images_per_month <= self.capacity:
            return self.machines
        above = images_per_month > self.capacity
        known = (self.capacity, self.machines) if above else (self.capacity_of_fewer, self.machines - 1)
        return max(1, math.ceil(round(images_per_month * known[1] / known[0], 9)))

    def monthly(self, images_per_month: float) -> float:
        """What so many images a month cost, in the file's currency."""
        fixed = self.machines_at(images_per_month) * self.machine_per_month
        return fixed + images_per_month * self.per_image

    def per_thousand(self, images_per_month: float) -> float:
        """What a thousand of so many images a month cost."""
        return 1000.0 * self.monthly(images_per_month) / images_per_month


class BreakEven(Part):
    """Images a month, of the same daily shape, at which the cheaper of two estimates becomes the other.

    There is more than one where a machine that is added undoes it.
    """

    names: tuple[str, str]
    few: str  # the cheaper one below the first volume
    volumes: tuple[NonNegativeFloat, ...] = Field(min_length=1)  # in order

    @property
    def many(self) -> str:
        """The cheaper one above the last volume, as far as was looked."""
        return self.cheaper_at(math.inf)

    def cheaper_at(self, images_per_month: float) -> str:
        """The cheaper one at a volume; at a break-even point the one that is from there on."""
        passed = sum(volume <= images_per_month for volume in self.volumes)
        other = self.names[0] if self.names[1] == self.few else self.names[1]
        return other if passed % 2 else self.few


class Costing(Value):
    """Estimates for one demand, the cheapest first, and what follows from them."""

    remedy: ClassVar[str] = "Run burnish costs again"

    prices_of: datetime.date
    currency: str
    images_per_hour: tuple[float, ...]
    images_per_month: float
    max_wait_s: float | None = None
    spread: float = 0.0
    seed: int = 0
    estimates: tuple[Estimate, ...]
    left_out: dict[str, str] = Field(default_factory=dict)  # name -> why
    break_evens: tuple[BreakEven, ...] = ()
    recommended: str = ""  # "" where none keeps the wait
    nearest: str = ""  # then the one that comes nearest
    assumptions: tuple[str, ...] = ()
    would_change: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def of(self, name: str) -> Estimate:
        """The estimate of that name; raises KeyError."""
        return {estimate.name: estimate for estimate in self.estimates}[name]
