"""The simulated queue agrees with what queueing theory knows in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.costs.queue import Load, run, simulate

HOUR_S = 3600.0


def even(load: float, servers: int = 1, **change: float) -> Load:
    """Calls of one second, `load` servers busy on average, as many in every hour."""
    return Load(images_per_hour=(load * HOUR_S,) * 24, call_s=1.0, servers=servers, **change)  # type: ignore[arg-type]


def queued(load: Load, runs: int) -> tuple[float, float]:
    """Mean seconds in the queue, the call left out, and the standard error of it over runs."""
    means = [run(load, np.random.default_rng(k))[0].mean() - load.call_s for k in range(runs)]
    return float(np.mean(means)), float(np.std(means, ddof=1) / math.sqrt(runs))


def erlang_c(servers: int, load: float) -> float:
    """The chance to wait in M/M/c: Erlang's formula, by the recursion of his B."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def deterministic_share(t: float, load: float) -> float:
    """The share that queues for at most `t` seconds in M/D/1 with calls of one second (Erlang 1909)."""
    terms = (
        (load * (k - t)) ** k / math.factorial(k) * math.exp(-load * (k - t))
        for k in range(math.floor(t) + 1)
    )
    return (1 - load) * sum(terms)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_server_queues_as_pollaczek_and_khinchine_say(load: float, spread: float) -> None:
    """The mean queue of M/G/1 is (1 + spread^2) / 2 * load / (1 - load) calls long, within four errors."""
    expected = (1 + spread**2) / 2 * load / (1 - load)
    mean, error = queued(even(load, spread=spread), runs=8)
    assert error < 0.1 * expected
    assert abs(mean - expected) < 4 * error


@pytest.mark.parametrize(("servers", "load"), [(2, 1.2), (5, 4.0), (20, 17.0)])
def test_many_servers_queue_as_erlang_says(servers: int, load: float) -> None:
    """The mean time in the queue of M/M/c is Erlang's C / (c - load) calls, within four errors."""
    expected = erlang_c(servers, load) / (servers - load)
    mean, error = queued(even(load, servers, spread=1.0), runs=8)
    assert error < 0.15 * expected
    assert abs(mean - expected) < 4 * error


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_the_95th_percentile_is_that_of_the_known_distribution(load: float) -> None:
    """Erlang's distribution of M/D/1 holds 95 % at the simulated p95, to one part in a hundred."""
    wait = simulate(even(load), seed=1)
    assert abs(deterministic_share(wait.p95_s - 1.0, load) - 0.95) < 0.01
    assert wait.p95_low_s < wait.p95_s < wait.p95_high_s


def test_an_hour_that_overflows_is_worked_off_later() -> None:
    """Twice what can be made in one hour: the order at share f of it waits f hours (a fluid limit)."""
    load = Load(images_per_hour=(300.0, *(0.0,) * 23), call_s=24.0, servers=1)
    wait = simulate(load, seed=0)
    assert wait.busiest_p95_s == pytest.approx(0.95 * HOUR_S + 24.0, rel=0.06)
    assert wait.p50_s == pytest.approx(0.5 * HOUR_S + 24.0, rel=0.08)


def test_a_call_that_takes_several_bears_what_single_ones_do_not() -> None:
    """Batches of four keep up with three orders a call; nobody waits less than a call, few more than two."""
    wait = simulate(even(3.0, batch=4), seed=0)
    assert wait.p50_s >= 1.0
    assert wait.p95_s < 3.0
    with pytest.raises(ValueError, match="do not bear"):
        simulate(even(3.0), seed=0)


def test_one_order_in_a_batch_takes_the_whole_call() -> None:
    """Where orders are rare each is alone in its call and takes all of it."""
    wait = simulate(Load(images_per_hour=(1.0,) * 24, call_s=8.0, servers=1, batch=8), seed=0)
    assert (wait.p50_s, wait.p95_s) == pytest.approx((8.0, 8.0))


def test_the_same_seed_gives_the_same_waits_and_another_gives_others() -> None:
    """Simulation is deterministic by its seed."""
    load = even(0.7)
    assert simulate(load, seed=3) == simulate(load, seed=3)
    assert simulate(load, seed=3) != simulate(load, seed=4)


def test_more_servers_never_wait_longer_and_more_orders_never_less() -> None:
    """p95 falls with servers and rises with demand, from one seed."""
    by_servers = [simulate(even(1.8, servers), seed=0).p95_s for servers in (2, 3, 4, 6)]
    by_load = [simulate(even(load, 2), seed=0).p95_s for load in (0.5, 1.0, 1.5, 1.8)]
    assert by_servers == sorted(by_servers, reverse=True)
    assert by_load == sorted(by_load)


def test_orders_follow_the_hours_of_the_day() -> None:
    """A day's hours get orders in proportion to their rates, a silent one none, within five deviations."""
    rates = tuple(float(10 * hour) for hour in range(24))
    _, hours = run(Load(images_per_hour=rates, call_s=1.0, servers=1), np.random.default_rng(0))
    counts = np.bincount(hours, minlength=24)
    days = round(4000 / sum(rates))
    assert counts[0] == 0
    assert np.all(np.abs(counts - np.array(rates) * days) <= 5 * np.sqrt(np.array(rates) * days))


def test_an_hour_that_is_nearly_full_is_refused_where_hours_are_shortened() -> None:
    """From 8,000 images a day an hour must leave a twentieth free: its queue would have no time to grow."""
    assert even(0.97).needs > 1
    assert Load(images_per_hour=(300.0,) * 24, call_s=11.6, servers=1).needs < 1  # 97 %, and a day in full
