"""What is run, with what was measured of it; and how long an image takes on a machine of an offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from burnish.core.evidence import Measurement
from burnish.core.prices import THIS_MACHINE, Machine

BUSY = 0.1  # of a core, that rounding and the system may add


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model as it was measured; the numbers are 0 where there are none.

    `elsewhere` holds what was measured on the machines of offers, by the offer's name.
    """

    name: str
    seconds_per_image: float
    batch: int = 1
    cores_busy: float = 0.0
    peak_mib: float = 0.0
    elsewhere: Mapping[str, Measurement]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Seconds an image takes, in calls of `batch`; `why` is how that is known, `assumed` whether it was not
    measured there.
    """

    seconds_per_image: float
    batch: int
    why: str
    assumed: bool


def speed_on(offer: Machine, subject: Subject | None) -> Speed:
    """How fast a machine is; a `subject` is needed where the offer does not say its own seconds."""
    there = subject.elsewhere.get(offer.name) if subject else None
    if there is not None:
        return Speed(
            seconds_per_image=there.latency_s, batch=there.batch, why="measured on it", assumed=False
        )
    if offer.seconds_per_image is not None:
        seconds = offer.seconds_per_image
        return Speed(seconds_per_image=seconds, batch=1, why="as the price file says", assumed=True)
    if subject is None:
        raise ValueError(f"{offer.name} needs a subject")
    if not isinstance(offer.speed, float):  # it is this machine
        return Speed(
            seconds_per_image=subject.seconds_per_image, batch=subject.batch, why="as measured", assumed=False
        )
    return Speed(
        seconds_per_image=subject.seconds_per_image / offer.speed,
        batch=subject.batch,
        why=f"taken to be {offer.speed:g} times as fast as the machine that was measured",
        assumed=True,
    )


def unfit(offer: Machine, subject: Subject | None) -> str:
    """Why a machine cannot run the subject as was measured; "" where nothing speaks against it."""
    if subject is None:
        return ""
    there = subject.elsewhere.get(offer.name)
    peak = there.peak_mib if there is not None else subject.peak_mib
    if offer.memory_mib is not None and peak * offer.workers > offer.memory_mib:
        return f"{offer.workers} x {peak:.0f} MiB do not fit into {offer.memory_mib:.0f} MiB"
    busy = subject.cores_busy * offer.workers
    same = offer.speed == THIS_MACHINE and there is None
    if same and offer.cores is not None and busy > offer.cores + BUSY:
        return (
            f"{offer.workers} image{'s' * (offer.workers != 1)} at once kept or would keep {busy:.1f} cores "
            f"busy, and it has {offer.cores}: measure on it, and give --measured"
        )
    return ""
