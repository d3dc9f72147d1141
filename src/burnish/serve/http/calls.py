"""Calls that wait for their pictures: a client that goes away and comes back finds the same job.

OpenAI's client gives up after its timeout and sends the same again, up to twice, without a word of the first.
So a job whose client went away is let go only after a while, and the same body of the same client joins it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request

from burnish.core.job import Job
from burnish.serve.engine.engine import Engine
from burnish.serve.http.errors import ApiError

GRACE_S = 20.0  # for a client to come back
Call = tuple[str, str]  # a client and the digest of what it sent


@dataclass
class _Waited:
    """A job that is being accepted or was, and how many connections wait for it."""

    made: asyncio.Future[Job]
    connections: int = 0
    leaving: asyncio.TimerHandle | None = None


class Calls:
    """Of one engine, in its event loop."""

    def __init__(self, engine: Engine, grace_s: float = GRACE_S) -> None:
        self._engine, self._grace_s = engine, grace_s
        self._waited: dict[Call, _Waited] = {}
        self._ending: set[asyncio.Task[Job | None]] = set()

    @asynccontextmanager
    async def waiting(
        self, call: Call, submit: Callable[[], Awaitable[Job]], *, share: bool = True
    ) -> AsyncIterator[Job]:
        """The job of a call, made where no connection of the same call waits or lately waited.

        Without `share`, who still waits for it keeps it: two at once are two.
        """
        waited = self._waited.get(call)
        if waited is not None and waited.connections and not share:
            call, waited = (*call[:1], f"{call[1]} {uuid.uuid4()}"), None
        if waited is None:
            waited = self._waited[call] = _Waited(asyncio.ensure_future(submit()))
        if waited.leaving is not None:
            waited.leaving.cancel()
        waited.connections += 1
        over = False
        try:
            job = await self._accepted(call, waited)
            yield job
            over = True
        finally:
            waited.connections -= 1
            if over:
                self._forget(call, waited)
            elif not waited.connections and self._waited.get(call) is waited:
                loop = asyncio.get_running_loop()
                waited.leaving = loop.call_later(self._grace_s, self._leave, call, waited)

    async def _accepted(self, call: Call, waited: _Waited) -> Job:
        """The job, or why it was refused: then the next that sends the same asks anew."""
        try:
            return await asyncio.shield(waited.made)
        finally:
            if waited.made.done() and waited.made.exception() is not None:
                self._forget(call, waited)

    def _forget(self, call: Call, waited: _Waited) -> None:
        if self._waited.get(call) is waited:
            del self._waited[call]

    def _leave(self, call: Call, waited: _Waited) -> None:
        """No one came back."""
        if self._waited.get(call) is waited and not waited.connections:
            self._forget(call, waited)
            task = asyncio.ensure_future(self._cancelled(waited))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _cancelled(self, waited: _Waited) -> Job | None:
        return await self._engine.cancel((await waited.made).id)


async def followed(engine: Engine, job: Job, request: Request) -> Job:
    """A job at its end; raises ApiError where the client goes away before."""
    end = asyncio.create_task(_end(engine, job))
    gone = asyncio.create_task(_gone(request))
    try:
        done, _ = await asyncio.wait((end, gone), return_when=asyncio.FIRST_COMPLETED)
        if end in done:
            return end.result()
        raise ApiError(499, "client_closed_request", "the client went away")
    finally:
        end.cancel()
        gone.cancel()


async def _end(engine: Engine, job: Job) -> Job:
    last = job
    async for event in engine.watch(job.id, previews=False):
        last = event.job
    return last


async def _gone(request: Request) -> None:
    """Until the connection is closed; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
