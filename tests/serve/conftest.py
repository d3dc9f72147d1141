"""An engine on a tiny bundle, with a real worker process and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from burnish.core.job import Ask, Job
from burnish.serve.engine.engine import Engine, Limits
from tests.conftest import SD, Bundles

RELEASE = "a" * 64
Opened = Callable[..., Any]


def ask(prompt: str = "a red apple", *seeds: int, **changes: Any) -> Ask:
    """Of the tiny model at its own size."""
    return Ask(release=RELEASE, seeds=seeds or (7,), prompt=prompt, height=32, width=32, **changes)


@pytest.fixture
def engine(bundle: Bundles, tmp_path: Path) -> Opened:
    """Opens an engine on the test's folder; opened again, it finds what the last one left."""
    steps = {"num_inference_steps": 6}

    @asynccontextmanager
    async def opened(**limits: Any) -> AsyncIterator[Engine]:
        url = f"sqlite:///{tmp_path}/jobs.db"
        made = Engine(url, tmp_path, lambda _: bundle(SD, **steps), Limits(**limits), threads=1)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()

    return opened


async def ended(engine: Engine, job: Job, limit_s: float = 60.0) -> Job:
    """The job at its end."""
    last = job

    async def follow() -> None:
        nonlocal last
        async for event in engine.watch(job.id):
            last = event.job

    await asyncio.wait_for(follow(), limit_s)
    return last


def run(work: Coroutine[Any, Any, None]) -> None:
    """An event loop of the test's own."""
    asyncio.run(work)
