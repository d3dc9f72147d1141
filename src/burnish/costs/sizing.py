"""How many machines a demand needs, and how much more they bear."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from burnish.core.costing import LoadPoint, Wait
from burnish.costs.queue import FULLEST, MOST_SERVERS, Load, simulate, sketch

HALVINGS = 6  # of the room between what is borne and what is not, on a logarithmic scale
LEAST_ROOM = 0.02  # of the demand, that one machine less is taken to bear at least
FACTORS = tuple(2.0 ** (k / 2) for k in range(-6, 7))  # of the demand: an eighth to eight times


class Sized(NamedTuple):
    """Machines for a load; they bear `room` times the demand, one less bears `room_of_fewer` times it."""

    machines: int
    room: float
    room_of_fewer: float  # below 1; 0 for one machine
    wait: Wait
    meets: bool


def least_servers(load: Load) -> int:
    """Servers with which the queue does not grow without end, whatever people wait."""
    return math.floor(load.needs) + 1


def many_servers(load: Load) -> int:
    """So many servers that hardly anybody waits for one; more do not help."""
    return math.ceil(2 * load.batch * load.busiest) + 20


def size(load: Load, workers: int, max_wait_s: float | None, seed: int) -> Sized | None:
    """The fewest machines, of `workers` servers each, that keep the 95th percentile of the wait.

    It is kept where the upper end of the simulation's interval keeps it; what they bear is simulated more
    roughly. Without a wait to keep, machines are busy for 95 % of the busiest hour at most. Where no number
    of machines keeps it, those are given that bear the load. None where more than 2,000 servers are needed,
    or may be to keep the wait: so many are not simulated.
    """
    if max_wait_s is None:
        return _unasked(load, workers, seed)
    limit, cap = max_wait_s, MOST_SERVERS // workers

    @cache
    def wait(machines: int) -> Wait:
        return simulate(replace(load, servers=machines * workers), seed)

    def keeps(machines: int) -> bool:
        return wait(machines).p95_high_s <= limit

    def bears(machines: int, factor: float) -> bool:
        there = replace(load.times(factor), servers=machines * workers)
        return there.needs < there.servers and sketch(there, seed)[1] <= limit

    n, enough = (math.ceil(servers / workers) for servers in (least_servers(load), many_servers(load)))
    if n > cap:
        return None
    if not keeps(n):
        most = min(enough, cap)
        if not keeps(most):
            unsure = most < enough and _calls_keep(load, limit, seed)
            return None if unsure else Sized(n, 1.0, (n - 1) / n, wait(n), False)
        n = _fewest(n, most, keeps)
    room = _most(1.0, max(1.0, n * workers / load.mean), lambda factor: bears(n, factor))
    fewer = _most(LEAST_ROOM, 1.0, lambda factor: bears(n - 1, factor)) if n > 1 else 0.0
    return Sized(n, room, fewer, wait(n), True)


def _calls_keep(load: Load, limit: float, seed: int) -> bool:
    """Whether calls that nobody waits for keep it: of an order at a time on average, with 40 servers."""
    alone = replace(load.times(1 / (load.busiest * load.batch)), servers=40)
    return sketch(alone, seed)[1] <= limit


def _unasked(load: Load, workers: int, seed: int) -> Sized | None:
    """Without a wait to keep: what the busiest hour fills to 95 % at most; None beyond 2,000 servers."""
    machines = math.floor(load.busiest / FULLEST / workers) + 1
    if machines * workers > MOST_SERVERS:
        return None
    wait = simulate(replace(load, servers=machines * workers), seed)
    room, fewer = (n * workers * FULLEST / load.busiest for n in (machines, machines - 1))
    return Sized(machines, room, fewer, wait, True)


def _fewest(low: int, high: int, keeps: Callable[[int], bool]) -> int:
    """The fewest machines that keep the wait, as `high` do and `low` do not; more never wait longer."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high


def _most(low: float, high: float, keeps: Callable[[float], bool]) -> float:
    """The largest factor of the demand that keeps the wait, rounded down; `low` is taken to."""
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def waits_by_load(load: Load, images_per_month: float, seed: int) -> tuple[LoadPoint, ...]:
    """Waits at other demands with the same servers, as far as they bear them."""
    points = []
    for factor in FACTORS:
        there = load.times(factor)
        if there.needs < there.servers:
            p50, p95 = sketch(there, seed)
            points.append(LoadPoint(images_per_month=images_per_month * factor, p50_s=p50, p95_s=p95))
    return tuple(points)
