"""How long people wait: a simulated day in which orders come by chance and machines take them in turn.

Orders are a Poisson process whose rate changes with the hour. They stand in one queue, first come first
served, before `servers` that each take up to `batch` of them. In Kendall's notation and with even demand that
is M/D/c for batch 1 and spread 0, M/M/c for spread 1; tests hold it to Pollaczek and Khinchine's formula and
to Erlang's C. SimPy runs the events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from burnish.core.costing import Wait

HOUR_S = 3600.0
RUNS = 5  # apart from each other, so that their spread says how sure the result is
T_95 = 2.132  # Student's t with four degrees of freedom, 95 % below it
IMAGES = 4_000  # of a run, at least; where a day has less there are more days
MOST_IMAGES = 8_000  # of a run, at most: where a day has more its hours are shortened, all alike
FULLEST = (
    0.95  # of the servers, in any hour, where hours are shortened: nearer to 1 queues have no time to grow
)
MOST_SERVERS = 2_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Load:
    """Orders and what serves them.

    `images_per_hour` are rates of the hours of a day, any number of hours. A call makes up to `batch` images
    in `call_s` seconds, a call that is not full no less. `spread` is the standard deviation of a call's
    seconds over their mean: 0 always the same, 1 exponential (a gamma distribution).
    """

    images_per_hour: tuple[float, ...]
    call_s: float
    servers: int
    batch: int = 1
    spread: float = 0.0

    @property
    def busiest(self) -> float:
        """Servers that the busiest hour keeps busy, were every call full."""
        return max(self.images_per_hour) * self.call_s / self.batch / HOUR_S

    @property
    def mean(self) -> float:
        """Servers that the day keeps busy, were every call full."""
        return fmean(self.images_per_hour) * self.call_s / self.batch / HOUR_S

    @property
    def shortened(self) -> bool:
        """Whether a day has too many images to be simulated in full."""
        return sum(self.images_per_hour) > MOST_IMAGES

    @property
    def needs(self) -> float:
        """Servers that there must be more of: over the day, and in every hour where hours are shortened."""
        return self.busiest / FULLEST if self.shortened else self.mean

    def times(self, factor: float) -> Load:
        """The same at another demand."""
        return replace(self, images_per_hour=tuple(rate * factor for rate in self.images_per_hour))


class Orders(NamedTuple):
    """When orders came in a run, seconds in order, and in which hour of the day."""

    times_s: Floats
    hours: NDArray[np.int64]


def simulate(load: Load, seed: int = 0) -> Wait:
    """Waits of several runs of a day, with how sure their 95th percentile is.

    The same seed gives the same numbers. Raises ValueError for a load under which the queue only grows, and
    for more than 2,000 servers.
    """
    if not load.needs < load.servers <= MOST_SERVERS:
        raise ValueError(
            f"{load.servers} servers do not bear {load.busiest:.3g}, or are too many to simulate"
        )
    runs = [run(load, np.random.default_rng((seed, k))) for k in range(RUNS)]
    waits = np.concatenate([found for found, _ in runs])
    busiest = np.concatenate([found[hours == _busiest_hour(load)] for found, hours in runs])
    p95 = float(np.quantile(waits, 0.95))
    reach = T_95 * stdev(float(np.quantile(found, 0.95)) for found, _ in runs) / RUNS**0.5
    return Wait(
        p50_s=float(np.median(waits)),
        p95_s=p95,
        p95_low_s=max(0.0, p95 - reach),
        p95_high_s=p95 + reach,
        busiest_p95_s=float(np.quantile(busiest, 0.95)) if len(busiest) else p95,
    )


def sketch(load: Load, seed: int = 0) -> tuple[float, float]:
    """p50 and p95 of the first run alone: a fifth of the time, and nobody says how sure; see `simulate`."""
    waits, _ = run(load, np.random.default_rng((seed, 0)))
    p50, p95 = np.quantile(waits, (0.5, 0.95))
    return float(p50), float(p95)


def run(load: Load, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """One run: seconds from order to image of each order, and the hour of the day in which it came."""
    orders = _orders(load, rng)
    done = _serve(orders.times_s.tolist(), load, rng)
    return done - orders.times_s, orders.hours


def _busiest_hour(load: Load) -> int:
    return int(np.argmax(load.images_per_hour))


def _orders(load: Load, rng: np.random.Generator) -> Orders:
    """Days that begin in their quietest hour, since a run begins with an empty queue."""
    rates = np.array(load.images_per_hour)
    order = np.roll(np.arange(len(rates)), -int(np.argmin(rates)))
    day = float(rates.sum())
    days = max(1, round(IMAGES / day))
    hour_s = HOUR_S * min(1.0, MOST_IMAGES / day)
    hours = np.tile(order, days)
    counts = rng.poisson(rates[hours] * hour_s / HOUR_S)
    starts = np.repeat(np.arange(len(hours)) * hour_s, counts)
    times = np.sort(starts + rng.random(len(starts)) * hour_s)  # given their number, uniform in the hour
    return Orders(times, np.repeat(hours, counts))


def _serve(times_s: Sequence[float], load: Load, rng: np.random.Generator) -> Floats:
    """When each order's image is finished, seconds."""
    import simpy

    env = simpy.Environment()
    queue: deque[int] = deque()
    idle: deque[simpy.Event] = deque()  # a bell of each server that waits; half the events of a Store
    done = np.zeros(len(times_s))
    shape = load.spread**-2 if load.spread else 0.0

    def order() -> Generator[simpy.Event, None, None]:
        for k, at in enumerate(times_s):
            yield env.timeout(max(0.0, at - env.now))
            queue.append(k)
            if idle:
                idle.popleft().succeed()

    def serve() -> Generator[simpy.Event, None, None]:
        while True:
            while not queue:  # another server may have been quicker than the bell
                idle.append(env.event())
                yield idle[-1]
            group = [queue.popleft() for _ in range(min(load.batch, len(queue)))]
            yield env.timeout(load.call_s * (rng.gamma(shape) / shape if shape else 1.0))
            done[group] = env.now

    env.process(order())
    for _ in range(load.servers):
        env.process(serve())
    env.run()
    return done
