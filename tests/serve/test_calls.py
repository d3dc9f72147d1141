"""A client that goes away and comes back finds its job; one that does not, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from burnish.core.job import Job
from burnish.serve.engine.engine import Engine, FullError
from burnish.serve.http.calls import Calls
from tests.serve.conftest import Opened, ask, ended, run

CALL = ("ann", "the same body")


class GoneError(Exception):
    """The connection was closed."""


async def left(calls: Calls, engine: Engine) -> Job:
    """A call that was given up before its end; the job that it waited for."""

    async def submit() -> Job:
        return await engine.submit(ask("slow", *range(8)), "ann")

    found: list[Job] = []
    with contextlib.suppress(GoneError):
        async with calls.waiting(CALL, submit) as job:
            found.append(job)
            raise GoneError
    return found[0]


def test_who_comes_back_joins_and_who_does_not_is_forgotten(engine: Opened) -> None:
    """Within the grace it is one job; after it, that job is cancelled and the next is another."""

    async def work() -> None:
        async with engine(most_batch=1) as running:
            calls = Calls(running, grace_s=0.5)
            busy = await running.submit(ask("busy", *range(64)), "bob")
            first = await left(calls, running)
            await asyncio.sleep(0.1)
            assert (await left(calls, running)).id == first.id
            assert (await ended(running, first, 5.0)).status == "cancelled"
            assert (await left(calls, running)).id != first.id
            await running.cancel(busy.id)

    run(work())


def test_a_call_that_was_refused_asks_anew(engine: Opened) -> None:
    """All who waited for it are told; the next is not refused for what was."""

    async def work() -> None:
        async with engine() as running:
            calls = Calls(running)

            async def full() -> Job:
                raise FullError("no room", 1.0)

            async def refused() -> None:
                async with calls.waiting(CALL, full):
                    pass

            for told in await asyncio.gather(refused(), refused(), return_exceptions=True):
                assert isinstance(told, FullError)
            assert (await left(calls, running)).status == "queued"

    run(work())


def test_a_call_that_ended_is_not_joined(engine: Opened) -> None:
    """The same body afterwards is another job: without a seed it asks for another picture."""

    async def work() -> None:
        async with engine() as running:
            calls, ids = Calls(running), []
            for _ in range(2):
                async with calls.waiting(CALL, lambda: running.submit(ask(), "ann")) as job:
                    ids.append((await ended(running, job)).id)
            assert len(set(ids)) == 2

    run(work())


@pytest.mark.parametrize("connections", [2, 5])
def test_many_connections_of_one_call_are_one_job(engine: Opened, connections: int) -> None:
    """Though all come at once."""

    async def work() -> None:
        async with engine() as running:
            calls = Calls(running)

            async def asked() -> str:
                async with calls.waiting(CALL, lambda: running.submit(ask(), "ann")) as job:
                    return (await ended(running, job)).id

            assert len(set(await asyncio.gather(*(asked() for _ in range(connections))))) == 1

    run(work())
