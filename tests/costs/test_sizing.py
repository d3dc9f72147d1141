"""The fewest machines that keep a wait, and how much more they bear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.core.costing import Wait
from burnish.costs import sizing
from burnish.costs.queue import Load, simulate
from burnish.costs.sizing import least_servers, many_servers, size, waits_by_load

BUSY = Load(images_per_hour=(120.0,) * 24, call_s=75.0, servers=1)  # two and a half machines


@pytest.mark.parametrize("max_wait_s", [90.0, 180.0])
def test_one_machine_less_would_not_keep_the_wait(max_wait_s: float) -> None:
    """What is found keeps the wait with the interval's upper end, and one machine less does not."""
    found = size(BUSY, 1, max_wait_s, seed=0)
    assert found.meets
    assert found.wait.p95_high_s <= max_wait_s
    assert found.machines > least_servers(BUSY) - 1
    fewer = replace(BUSY, servers=found.machines - 1)
    assert fewer.needs >= fewer.servers or simulate(fewer, 0).p95_high_s > max_wait_s


def test_a_tighter_wait_never_takes_fewer_machines() -> None:
    """Machines fall as the wait grows."""
    machines = [size(BUSY, 1, wait, seed=0).machines for wait in (78.0, 90.0, 360.0)]
    assert machines == sorted(machines, reverse=True)
    assert machines[0] > machines[-1]


def test_what_is_said_to_be_borne_is_borne() -> None:
    """Just below the room that was found the wait is kept, at a tenth more it is not."""
    found = size(BUSY, 1, 135.0, seed=0)
    there = replace(BUSY.times(0.97 * found.room), servers=found.machines)
    beyond = replace(BUSY.times(1.1 * found.room), servers=found.machines)
    assert simulate(there, 1).p95_s <= 135.0
    assert beyond.needs >= beyond.servers or simulate(beyond, 0).p95_high_s > 135.0
    assert 0.0 < found.room_of_fewer < 1.0 <= found.room


def test_a_wait_below_a_call_is_never_kept() -> None:
    """No number of machines makes an image in less than its seconds."""
    found = size(BUSY, 1, 74.0, seed=0)
    assert not found.meets
    assert found.machines == 3
    assert found.wait.p95_s >= 75.0


def test_without_a_wait_the_busiest_hour_is_full_to_95_percent_at_most() -> None:
    """Two and a half machines' work takes three; they bear 3 * 0.95 / 2.5 times the demand."""
    found = size(BUSY, 1, None, seed=0)
    assert (found.machines, found.meets) == (3, True)
    assert found.room == pytest.approx(3 * 0.95 / 2.5)
    assert found.room_of_fewer == pytest.approx(2 * 0.95 / 2.5)


def test_workers_of_a_machine_count_as_servers() -> None:
    """Machines of two workers are half as many."""
    assert size(BUSY, 2, None, seed=0).machines == 2


def hourly(busy: float, call_s: float = 10.0, batch: int = 1) -> Load:
    """A steady demand that keeps so many servers busy."""
    return Load(images_per_hour=(busy * batch * 3600.0 / call_s,) * 24, call_s=call_s, servers=1, batch=batch)


def test_what_no_simulation_bears_is_said() -> None:
    """2,000 servers at 95 % are 1,900 busy ones: beyond there is no answer, with a wait or without."""
    assert size(hourly(1901.0), 1, None, seed=0) is None
    assert size(hourly(1901.0), 1, 60.0, seed=0) is None
    assert size(hourly(1.0), 2001, 60.0, seed=0) is None


def test_what_needs_fewer_than_2000_servers_is_answered() -> None:
    """1,000 busy servers take 1,053 (1,000 / 0.95), and 100 busy ones in batches of 16 take 106."""
    found = size(hourly(1000.0), 1, None, seed=0)
    assert found is not None
    assert found.machines == 1053
    batched = hourly(100.0, batch=16)
    assert many_servers(batched) > 2000
    assert size(batched, 1, None, seed=0).machines == 106
    kept = size(batched, 1, 60.0, seed=0)
    assert kept.meets
    assert kept.wait.p95_high_s <= 60.0


def test_a_wait_that_2000_servers_do_not_keep_is_only_called_impossible_where_it_is() -> None:
    """Below a call's seconds no number keeps it; at them more than 2,000 might, and there is no answer."""
    crowded = hourly(1890.0, batch=16)  # every call of ten seconds; 2,000 servers are never all idle
    never = size(crowded, 1, 9.0, seed=0)
    assert never is not None
    assert not never.meets
    assert size(crowded, 1, 10.0 + 1e-9, seed=0) is None


def test_no_number_of_machines_is_simulated_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five runs of a day are what costs time, so each number of machines is simulated once."""
    asked: list[int] = []

    def counted(load: Load, seed: int) -> Wait:
        asked.append(load.servers)
        return simulate(load, seed)

    monkeypatch.setattr(sizing, "simulate", counted)
    for wait in (74.0, 90.0, 360.0):
        asked.clear()
        sizing.size(BUSY, 1, wait, seed=0)
        assert len(asked) == len(set(asked)) > 0


def test_waits_rise_with_load_and_end_where_it_is_not_borne() -> None:
    """Points come in order of demand, and none beyond what the servers bear."""
    points = waits_by_load(replace(BUSY, servers=4), 1000.0, seed=0)
    volumes = [point.images_per_month for point in points]
    assert volumes == sorted(volumes)
    assert 1000.0 < volumes[-1] < 1000.0 * 4 / 2.5
    assert points[0].p95_s <= points[-1].p95_s
    assert all(point.p50_s <= point.p95_s for point in points)
