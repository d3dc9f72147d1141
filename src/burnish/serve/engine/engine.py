"""The engine: takes asks, gives pictures, loses nothing. It knows no HTTP.

One event loop runs it. The database has a thread of its own, and each device a process.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from burnish.core.errors import BurnishError
from burnish.core.job import Ask, Failure, Job
from burnish.serve.engine.board import Batch, Board, Event
from burnish.serve.engine.messages import Draw, Drawn, Failed, Stepped, Stop
from burnish.serve.engine.pictures import Folder
from burnish.serve.engine.process import WorkerDiedError, WorkerProcess
from burnish.serve.engine.store import Store, StoreError

LOG = logging.getLogger(__name__)
T = TypeVar("T")
MOST_CRASHES = 2  # workers that one job may take with it
CHECK_S = 1.0  # between looks at what is waited for in vain
AGAIN_S = 1.0  # before what failed for want of a disk or a database is tried again


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What bounds the engine. Pictures are counted, not jobs."""

    most_waiting: int = 512
    most_batch: int = 16
    most_mib: float = 8192.0  # of a worker, above which it closes bundles
    most_step_s: float = 900.0  # without a word from a worker, which is then killed
    keep_s: float = 7 * 86400.0  # how long a job and its pictures are kept after its end


class FullError(BurnishError):
    """The queue has no room. `wait_s` is when there will be some, as far as measured seconds tell."""

    def __init__(self, problem: str, wait_s: float) -> None:
        super().__init__(problem, f"Ask again in {wait_s:.0f} seconds")
        self.wait_s = wait_s


class KeyReusedError(BurnishError):
    """A client gave the same key for two different asks."""


class Engine:
    """`bundle_of` gives the folder of a release by its digest; raises BurnishError."""

    def __init__(
        self,
        store: str,
        folder: Path,
        bundle_of: Callable[[str], Path],
        limits: Limits | None = None,
        *,
        workers: int = 1,
        threads: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.pictures = Folder(folder / "pictures")
        self.board = Board()
        self._url, self._bundle_of = store, bundle_of
        self._workers, self._threads = workers, threads
        self._database = ThreadPoolExecutor(1, "burnish-database")
        self._processes: list[WorkerProcess] = []
        self._settling: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Opens the database, puts what ran when the last engine ended back into the queue, and begins."""
        self._store = await self._loop_run(lambda: Store(self._url))
        await self._loop_run(self._store.recover)
        self.board.waiting = {job.id: job for job in await self._loop_run(self._store.queued)}
        self._work.set()
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(self._workers)]
        self._tasks.append(asyncio.create_task(self._look_after()))

    async def stop(self) -> None:
        """Ends workers at once; what they drew waits for the next engine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*self._settling, return_exceptions=True)
        await self._loop_run(self._store.recover)
        await self._loop_run(self._store.close)
        self._database.shutdown()

    async def submit(
        self, ask: Ask, client: str, *, priority: int = 0, key: str = "", deadline_at: float = 0.0
    ) -> Job:
        """Accepts a job: from here on it is not lost. With a key that the client gave before, that job.

        Raises FullError where there is no room, or a deadline that cannot be met; KeyReusedError where the
        key was given for something else; StoreError.
        """
        made = Job(
            id=uuid.uuid4().hex,
            client=client,
            ask=ask,
            priority=priority,
            key=key,
            created_at=time.time(),
            deadline_at=deadline_at,
        )
        if key and (known := await self._loop_run(lambda: self._store.find(client, key))):
            return _same(known, made)
        self._require_room(made)
        self.board.joining += len(ask.seeds)
        try:
            (job,) = await self._loop_run(lambda: self._store.add([made]))
        finally:
            self.board.joining -= len(ask.seeds)
        if job.id == made.id:
            self.board.waiting[job.id] = job
            self._work.set()
        return _same(job, made)

    async def get(self, job_id: str) -> Job | None:
        """A job as it is now."""
        return await self._loop_run(lambda: self._store.get(job_id))

    async def of_client(self, client: str, limit: int, before: float | None = None) -> list[Job]:
        """A client's jobs, the newest first."""
        return await self._loop_run(lambda: self._store.of_client(client, limit, before))

    async def cancel(self, job_id: str) -> Job | None:
        """Ends a job that has not ended; the job as it then is. Asked again, nothing more happens."""
        if await self._loop_run(lambda: self._store.cancel(job_id, time.time())):
            await self._drop(job_id)
        return await self.get(job_id)

    @property
    def worker_pids(self) -> list[int]:
        """Processes that draw, or are ready to."""
        return [worker.pid for worker in self._processes]

    def wait_s(self) -> float:
        """Seconds until what waits now would be drawn, as far as measured seconds tell."""
        return self.board.work_s(time.time()) / self._workers

    async def watch(self, job_id: str, *, previews: bool = True) -> AsyncIterator[Event]:
        """What happens to a job, from its state now to its end; `previews` cost a decoder's run a step."""
        with self.board.watching(job_id, previews) as events:
            job = await self.get(job_id)
            if job is None:
                return
            yield Event(job)
            while not job.ended:
                event = await events.get()
                job = event.job
                yield event

    def _require_room(self, made: Job) -> None:
        waiting, wait = self.board.pictures_waiting(), self.wait_s()
        if waiting + len(made.ask.seeds) > self.limits.most_waiting:
            raise FullError(f"{waiting} pictures wait already", max(1.0, wait / 2))
        needed = wait + self.board.estimate.seconds(made)
        if made.deadline_at and time.time() + needed > made.deadline_at:
            raise FullError(
                f"it would take about {needed:.0f} s, more than the deadline leaves", max(1.0, wait)
            )

    async def _serve(self) -> None:
        """Batch after batch on one worker, which is replaced where it dies."""
        worker: WorkerProcess | None = None
        try:
            while True:
                batch = await self._take()
                drawn: Drawn | None = None
                try:
                    worker = worker or self._hire()
                    drawn = await self._draw(worker, batch)
                except OSError as error:  # no room for a process
                    await self._later(batch, error)
                except Exception as error:  # whatever it was, the worker's state is not known any more
                    if not isinstance(error, WorkerDiedError):
                        LOG.exception("a batch ended in an error of the engine's own")
                    if worker is not None:
                        self._dismiss(worker)
                    worker = None
                    await self._died(batch)
                if drawn is None:
                    self.board.running.pop(batch.number, None)
                else:  # the worker draws on while this is written
                    task = asyncio.create_task(self._settle(batch, drawn))
                    self._settling.add(task)
                    task.add_done_callback(self._settling.discard)
        finally:
            if worker is not None:
                self._dismiss(worker)

    def _hire(self) -> WorkerProcess:
        worker = WorkerProcess(self.limits.most_mib, self._threads)
        self._processes.append(worker)
        return worker

    def _dismiss(self, worker: WorkerProcess) -> None:
        self._processes.remove(worker)
        worker.kill()

    async def _take(self) -> Batch:
        """The next batch, marked as running where nobody cancelled it meanwhile."""
        while True:
            await self._work.wait()
            chosen = self.board.take(self.limits.most_batch)
            if not chosen:
                self._work.clear()
                continue
            now = time.time()
            ids = [job.id for job in chosen]
            started = set(await self._surely(partial(self._store.start, ids, now)))
            if jobs := [job for job in chosen if job.id in started]:
                return self.board.begin(jobs, now)

    async def _draw(self, worker: WorkerProcess, batch: Batch) -> Drawn | None:
        """One batch to its end: its pictures, or None where there are none; raises WorkerDiedError."""
        try:
            bundle = await asyncio.to_thread(self._bundle_of, batch.jobs[0].ask.release)
            asked = self._asked(batch, bundle)
        except BurnishError as error:  # its release or its picture is gone
            await self._fail(batch.jobs, Failure(code="refused", message=str(error)))
            return None
        await worker.send(asked)
        stopped = False
        while True:
            said = await worker.receive(self.limits.most_step_s)
            if said.number != batch.number:
                continue
            match said:
                case Stepped():
                    self._show(batch, said)
                    if not stopped and not batch.waited_for:
                        await worker.send(Stop(number=batch.number))
                        stopped = True
                case Drawn():
                    return said
                case Failed():
                    await self._refused(batch, said)
                    return None

    def _asked(self, batch: Batch, bundle: Path) -> Draw:
        first = batch.jobs[0].ask
        each = [(job, seed) for job in batch.jobs for seed in job.ask.seeds]
        return Draw(
            number=batch.number,
            bundle=bundle,
            seeds=tuple(seed for _, seed in each),
            prompts=tuple(job.ask.prompt for job, _ in each),
            negative_prompt=first.negative_prompt,
            height=first.height,
            width=first.width,
            texts=tuple(job.ask.settings(seed) for job, seed in each),
            previews=self.board.previewed(batch),
        )

    def _show(self, batch: Batch, said: Stepped) -> None:
        place = 0
        for job in batch.jobs:
            count = len(job.ask.seeds)
            self.board.tell(Event(job, said.step, said.steps, said.previews[place : place + count]))
            place += count

    async def _settle(self, batch: Batch, drawn: Drawn) -> None:
        """Keeps what was drawn; where there is no room for it, it is drawn again, later."""
        try:
            await self._keep(batch, drawn)
        except OSError as error:
            await self._later(batch, error)
        finally:
            self.board.running.pop(batch.number, None)

    async def _later(self, batch: Batch, error: OSError) -> None:
        LOG.error("a batch is drawn again: %s", error)
        await asyncio.sleep(AGAIN_S)
        await self._again(batch.waited_for, crashes=0)

    async def _keep(self, batch: Batch, said: Drawn) -> None:
        """Writes the pictures, then says so: a job that succeeded has its pictures on the disk."""
        count, place = len(said.pictures), 0
        self.board.estimate.learn(batch.jobs[0].ask, count, said.seconds)
        found: dict[str, tuple[str, ...]] = {}
        for job in batch.jobs:
            mine = said.pictures[place : place + len(job.ask.seeds)]
            place += len(mine)
            if job.id not in batch.dropped:
                found[job.id] = await asyncio.to_thread(self._put, mine)
            self.board.serve(job.client, said.seconds * len(mine) / count)
        now = time.time()
        took = await self._surely(lambda: self._store.succeed(found, now))
        await asyncio.to_thread(self._put, said.pictures)  # one that was let go just before is there again
        for job in batch.jobs:
            if job.id in took:
                done = {"status": "succeeded", "pictures": found[job.id], "ended_at": now}
                self.board.tell(Event(job.model_copy(update=done)))

    def _put(self, files: Sequence[bytes]) -> tuple[str, ...]:
        return tuple(map(self.pictures.put, files))

    def _forget(self, before: float) -> None:
        """In one go, so that no job takes a picture between the two."""
        self.pictures.remove(self._store.forget(before))

    async def _refused(self, batch: Batch, said: Failed) -> None:
        """What a bundle refuses it refuses again; of several, each is asked alone, to know which."""
        left = batch.waited_for
        if said.stopped or not left:
            return
        if len(batch.jobs) == 1:
            await self._fail(left, Failure(code="refused", message=said.message))
        else:
            self.board.alone |= {job.id for job in left}
            await self._again(left, crashes=0)

    async def _died(self, batch: Batch) -> None:
        """A worker died: its jobs are tried once more, each alone, and refused where that dies too."""
        left = batch.waited_for
        lost = [job for job in left if job.crashes + 1 >= MOST_CRASHES]
        message = f"{MOST_CRASHES} workers died while they drew it"
        await self._fail(lost, Failure(code="crashed", message=message))
        await self._again([job for job in left if job not in lost], crashes=1)

    async def _again(self, jobs: list[Job], crashes: int) -> None:
        await self._surely(lambda: self._store.requeue([job.id for job in jobs], crashes))
        for job in jobs:
            again = {"status": "queued", "started_at": 0.0, "crashes": job.crashes + crashes}
            self.board.waiting[job.id] = job.model_copy(update=again)
            self.board.tell(Event(self.board.waiting[job.id]))
        self._work.set()

    async def _fail(self, jobs: list[Job], failure: Failure) -> None:
        now = time.time()
        for job in jobs:
            if await self._surely(partial(self._store.fail, job.id, failure, now)):
                ended = {"status": "failed", "failure": failure, "ended_at": now}
                self.board.tell(Event(job.model_copy(update=ended)))

    async def _drop(self, job_id: str) -> None:
        """No one waits for a job any more: it leaves the queue, or its batch once all of that have."""
        self.board.drop(job_id)
        if (job := await self.get(job_id)) is not None:
            self.board.tell(Event(job))

    async def _look_after(self) -> None:
        """Ends jobs whose deadline has passed, lets old ones go, and forgets bit by bit what clients had."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                now = time.time()
                for job in self.board.open_jobs():
                    if 0.0 < job.deadline_at < now:
                        await self._fail([job], Failure(code="deadline", message="its deadline has passed"))
                        await self._drop(job.id)
                await self._loop_run(partial(self._forget, now - self.limits.keep_s))
            except Exception:  # a database or a disk that is away comes back
                LOG.exception("the engine could not look after its jobs")
            self.board.forget()

    async def _surely(self, work: Callable[[], T]) -> T:
        """In the database's thread, however often it takes: what is drawn outlives a locked database."""
        while True:
            try:
                return await self._loop_run(work)
            except StoreError as error:
                LOG.error("%s", error)
                await asyncio.sleep(AGAIN_S)

    async def _loop_run(self, work: Callable[[], T]) -> T:
        """In the database's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._database, work)


def _same(known: Job, made: Job) -> Job:
    """The job that was made under a key before; raises KeyReusedError where it was for something else."""
    apart = {"seeds", "release"}  # a seed may be drawn anew each time, and an alias mean another release
    before, now = known.ask, made.ask
    alike = before.model_dump(exclude=apart) == now.model_dump(exclude=apart)
    if not alike or len(before.seeds) != len(now.seeds):
        raise KeyReusedError("this key was given for something else before", "Give each request its own")
    return known
