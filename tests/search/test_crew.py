"""Ray workers say what one process says, and a worker that dies costs nothing but its time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from burnish.build import build, plan_program, reference_plan
from burnish.core.errors import BurnishError
from burnish.core.plan import Plan
from burnish.runtime import Pipeline, Request
from burnish.search import crew
from burnish.search.proxy import Task, alone
from tests.conftest import SD, Stores

ray = pytest.importorskip("ray")


def test_where_there_is_no_cluster_the_address_is_named() -> None:
    """Nothing listens there: one error, with what to give."""
    with pytest.raises(BurnishError, match=r"no Ray at 127.0.0.1:1.*Give --ray local"):
        crew.ray_crew("127.0.0.1:1")


@pytest.fixture(scope="module")
def workers() -> Iterator[None]:
    """One cluster for all: to start it takes longer than what is asked of it."""
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def tasks(store: Stores, tmp_path_factory: pytest.TempPathFactory) -> list[Task]:
    """Three tables of one bench, and where the original's latents end."""
    folder, model = tmp_path_factory.mktemp("bench"), store(SD).model
    build(store(SD), reference_plan(model).model_copy(update={"num_inference_steps": 8}), folder / "bench")
    bench, request = Pipeline(folder / "bench", verify=False), Request(seeds=(0, 1), prompts=("a", "b"))
    plans = [Plan(scheduler="UniPCMultistepScheduler", num_inference_steps=n) for n in (3, 4, 5)]
    return [Task(bench, plan_program(model, plan), request, bench.latents(request)) for plan in plans]


def test_workers_say_what_one_process_says(tasks: list[Task], workers: None) -> None:
    """The same errors, in the order of the tasks."""
    errors = alone(tasks)
    assert len(set(errors)) == 3
    assert crew.ray_crew()(tasks) == errors


def test_the_task_of_a_killed_worker_is_run_again(
    tasks: list[Task], workers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies in the middle of the first task it is given; the answer is as if it had not."""
    own, marker = crew._error_of, tmp_path / "died"

    def killed(*args: Any) -> float:
        if not marker.exists():
            marker.touch()
            os._exit(1)
        return own(*args)

    monkeypatch.setattr(crew, "_error_of", killed)
    assert crew.ray_crew()(tasks) == alone(tasks)
    assert marker.exists()
