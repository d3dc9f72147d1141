"""The engine gives every accepted job its pictures, or says why not, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time

import numpy as np
import pytest
from PIL import Image

from burnish.runtime import Pipeline, Request
from burnish.serve.engine.engine import Engine, FullError
from tests.conftest import SD, Bundles
from tests.serve.conftest import RELEASE, Opened, ask, ended, run


def test_a_job_gets_the_pictures_that_its_bundle_draws(engine: Opened, bundle: Bundles) -> None:
    """One a seed, as the bundle draws them; every setting is in the file."""

    async def work() -> None:
        async with engine() as running:
            job = await ended(running, await running.submit(ask("a red apple", 7, 8), "ann"))
            assert job.status == "succeeded"
            files = [running.pictures.path(digest) for digest in job.pictures]
            request = Request(seeds=(7, 8), prompts=("a red apple",))
            for path, expected, seed in zip(
                files, Pipeline(bundle(SD)).generate(request), (7, 8), strict=True
            ):
                with Image.open(io.BytesIO(path.read_bytes())) as image:
                    assert np.abs(np.asarray(image).astype(int) - expected).max() <= 1
                    assert image.info["seed"] == str(seed)
                    assert image.info["release"] == RELEASE
                    assert image.info["prompt"] == "a red apple"

    run(work())


def test_who_watches_sees_every_step_with_a_preview(engine: Opened) -> None:
    """From the queue to the end: steps count up, and each has a picture of what is there so far."""

    async def work() -> None:
        async with engine() as running:
            job = await running.submit(ask(), "ann")
            events = [event async for event in running.watch(job.id)]
            steps = [event.step for event in events if event.steps]
            assert steps == sorted(set(steps))
            assert len(steps) >= 4
            assert all(len(event.previews) == 1 for event in events if event.steps)
            assert events[-1].job.status == "succeeded"

    run(work())


def test_jobs_that_are_alike_are_drawn_together(engine: Opened) -> None:
    """Eight of them take one batch after the first, and each gets its own picture."""

    async def work() -> None:
        async with engine() as running:
            jobs = [await running.submit(ask(f"apple {k}", k), "ann") for k in range(8)]
            done = [await ended(running, job) for job in jobs]
            assert {job.status for job in done} == {"succeeded"}
            assert len({job.pictures for job in done}) == 8
            assert len({job.started_at for job in done}) <= 3

    run(work())


def test_a_cancelled_job_ends_at_once_and_others_do_not(engine: Opened) -> None:
    """Waiting or running; cancelled again, it stays as it is."""

    async def work() -> None:
        async with engine(most_batch=1) as running:
            jobs = [await running.submit(ask(f"apple {k}"), "ann") for k in range(3)]
            for job in jobs[:2]:
                cancelled = await running.cancel(job.id)
                assert cancelled is not None
                assert cancelled.status == "cancelled"
                assert await running.cancel(job.id) == cancelled
            assert (await ended(running, jobs[2])).status == "succeeded"
            assert [(await ended(running, job)).status for job in jobs[:2]] == ["cancelled"] * 2

    run(work())


def test_the_same_key_is_the_same_job(engine: Opened) -> None:
    """Sent again after a timeout, it is accepted once; another client's key is another's."""

    async def work() -> None:
        async with engine() as running:
            first = await running.submit(ask(), "ann", key="k")
            assert (await running.submit(ask(), "ann", key="k")).id == first.id
            assert (await running.submit(ask(), "bob", key="k")).id != first.id

    run(work())


def test_a_full_queue_refuses_and_says_when_to_ask_again(engine: Opened) -> None:
    """What was accepted is drawn; a deadline that cannot be met is refused at once."""

    async def work() -> None:
        async with engine(most_waiting=4, most_batch=1) as running:
            first = await ended(running, await running.submit(ask("apple"), "ann"))
            assert first.status == "succeeded"
            accepted = []
            with pytest.raises(FullError) as full:  # noqa: PT012 - which is refused is the worker's doing
                while len(accepted) < 12:
                    accepted += [await running.submit(ask(f"apple {len(accepted)}"), "ann")]
            assert full.value.wait_s >= 1.0
            assert len(accepted) >= 4
            assert {(await ended(running, job)).status for job in accepted} == {"succeeded"}
            with pytest.raises(FullError, match="deadline"):
                await running.submit(ask("x", *range(4)), "ann", deadline_at=time.time() + 1e-3)

    run(work())


def test_a_deadline_that_passes_ends_the_job(engine: Opened) -> None:
    """It fails, with that as the reason, and the rest goes on."""

    async def work() -> None:
        async with engine() as running:
            running.board.estimate.learn(ask(), 1, 1e-3)
            late = await running.submit(ask("x", *range(64)), "ann", deadline_at=time.time() + 0.3)
            found = await ended(running, late)
            assert found.failure is not None
            assert found.failure.code == "deadline"
            assert (await ended(running, await running.submit(ask(), "ann"))).status == "succeeded"

    run(work())


async def worker_of(running: Engine) -> int:
    """The worker's process, once it draws."""
    for _ in range(600):
        await asyncio.sleep(0.02)
        if running.worker_pids and running.board.pictures_drawing():
            return running.worker_pids[0]
    raise AssertionError("nothing is drawn")


def test_a_worker_that_dies_is_replaced_and_its_jobs_are_drawn(engine: Opened) -> None:
    """Killed once, the jobs of its batch succeed on the next."""

    async def work() -> None:
        async with engine() as running:
            jobs = [await running.submit(ask(f"apple {k}", *range(16)), "ann") for k in range(2)]
            os.kill(await worker_of(running), signal.SIGKILL)
            done = [await ended(running, job) for job in jobs]
            assert {job.status for job in done} == {"succeeded"}

    run(work())


def test_a_job_that_kills_two_workers_is_refused(engine: Opened) -> None:
    """The next job is drawn by a third."""

    async def work() -> None:
        async with engine() as running:
            poison = await running.submit(ask("x", *range(64)), "ann")
            for _ in range(2):
                pid = await worker_of(running)
                os.kill(pid, signal.SIGKILL)
                while pid in running.worker_pids:
                    await asyncio.sleep(0.01)
            found = await ended(running, poison)
            assert found.failure is not None
            assert found.failure.code == "crashed"
            assert (await ended(running, await running.submit(ask(), "ann"))).status == "succeeded"

    run(work())


def test_what_a_stopped_engine_accepted_the_next_one_draws(engine: Opened) -> None:
    """Nothing is lost, and nothing that was done is done again."""

    async def work() -> None:
        async with engine(most_batch=1) as running:
            done = await ended(running, await running.submit(ask(), "ann"))
            left = [await running.submit(ask(f"apple {k}", *range(4)), "ann") for k in range(3)]
        async with engine() as again:
            assert {(await ended(again, job)).status for job in left} == {"succeeded"}
            assert await again.get(done.id) == done

    run(work())


def test_a_request_that_does_not_fit_fails_and_its_batch_does_not(engine: Opened) -> None:
    """A seed that there is not: the job says why, and what was beside it is drawn."""

    async def work() -> None:
        async with engine() as running:
            busy = await running.submit(ask("first", *range(8)), "ann")
            bad = await running.submit(ask("bad", -1), "ann")
            good = await running.submit(ask("good", 1), "ann")
            found = await ended(running, bad)
            assert found.failure is not None
            assert found.failure.code == "refused"
            assert "seed" in found.failure.message
            assert {(await ended(running, job)).status for job in (busy, good)} == {"succeeded"}

    run(work())
