"""The board: what waits, what is drawn now, what each client had, who watches. Nothing of it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from burnish.core.job import Job
from burnish.serve.engine.choose import in_order, next_batch, whose
from burnish.serve.engine.estimate import Estimate

MOST_UNREAD = 256  # events of a watcher that does not listen
FORGET = 0.99  # of what a client had, each second


class Event(NamedTuple):
    """What happened to a job: its state now, how far it is, and a preview of each picture, where wanted."""

    job: Job
    step: int = 0
    steps: int = 0
    previews: tuple[bytes, ...] = ()


@dataclass
class Batch:
    """What a worker draws now."""

    number: int
    jobs: list[Job]
    begun: float
    dropped: set[str] = field(default_factory=set)  # ids that no one waits for any more

    @property
    def waited_for(self) -> list[Job]:
        """Its jobs but for those."""
        return [job for job in self.jobs if job.id not in self.dropped]


class Board:
    """Of one engine; its event loop alone touches it."""

    def __init__(self) -> None:
        self.waiting: dict[str, Job] = {}
        self.running: dict[int, Batch] = {}
        self.alone: set[str] = set()  # ids of jobs that wait to be drawn by themselves
        self.joining = 0  # pictures of jobs that are being written down
        self.estimate = Estimate()
        self._served: dict[str, float] = {}
        self._watchers: dict[str, dict[asyncio.Queue[Event], bool]] = {}  # by job; whether with previews
        self._numbers = 0

    def take(self, most_pictures: int) -> list[Job]:
        """The jobs that are to be drawn next, together, which wait no longer."""
        chosen = next_batch(list(self.waiting.values()), self._served, most_pictures, self.alone)
        for job in chosen:
            del self.waiting[job.id]
            self.alone.discard(job.id)
        return chosen

    def begin(self, jobs: list[Job], now: float) -> Batch:
        """A batch of jobs that run from now on."""
        self._numbers += 1
        started = {"status": "running", "started_at": now}
        batch = Batch(self._numbers, [job.model_copy(update=started) for job in jobs], now)
        self.running[batch.number] = batch
        return batch

    def drop(self, job_id: str) -> None:
        """No one waits for a job any more."""
        self.waiting.pop(job_id, None)
        self.alone.discard(job_id)
        for batch in self.running.values():
            if any(job.id == job_id for job in batch.jobs):
                batch.dropped.add(job_id)

    def serve(self, client: str, seconds: float) -> None:
        """A client has had so much of a worker's time."""
        for who in set(whose(client)):
            self._served[who] = self._served.get(who, 0.0) + seconds

    def forget(self) -> None:
        """What clients had counts less with every second."""
        self._served = {client: had * FORGET for client, had in self._served.items() if had > 1e-3}

    def open_jobs(self) -> list[Job]:
        """All that wait or run and that someone waits for."""
        return [*self.waiting.values(), *(job for batch in self.running.values() for job in batch.waited_for)]

    def pictures_waiting(self) -> int:
        """Pictures of all jobs that wait, or will in a moment."""
        return self.joining + sum(len(job.ask.seeds) for job in self.waiting.values())

    def pictures_drawing(self) -> int:
        """Pictures that are drawn now."""
        return sum(len(job.ask.seeds) for batch in self.running.values() for job in batch.jobs)

    def places(self) -> dict[str, int]:
        """How many pictures are drawn before each waiting job's, by its id."""
        found, ahead = {}, 0
        for job in in_order(list(self.waiting.values()), self._served):
            found[job.id] = ahead
            ahead += len(job.ask.seeds)
        return found

    def work_s(self, now: float) -> float:
        """Seconds of one worker that all of this would take, as far as measured seconds tell."""
        seconds = self.estimate.seconds
        running = (sum(map(seconds, b.jobs)) - (now - b.begun) for b in self.running.values())
        return sum(max(0.0, left) for left in running) + sum(map(seconds, self.waiting.values()))

    def previewed(self, batch: Batch) -> bool:
        """Whether anyone wants to see one of its jobs before it is done."""
        return any(any(self._watchers.get(job.id, {}).values()) for job in batch.jobs)

    @contextmanager
    def watching(self, job_id: str, previews: bool) -> Iterator[asyncio.Queue[Event]]:
        """The events of a job from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue(MOST_UNREAD)
        self._watchers.setdefault(job_id, {})[queue] = previews
        try:
            yield queue
        finally:
            del self._watchers[job_id][queue]
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    def tell(self, event: Event) -> None:
        """All who watch the job. Who does not listen loses what is oldest, never the end."""
        for queue in self._watchers.get(event.job.id, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
