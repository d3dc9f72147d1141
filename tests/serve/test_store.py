"""What is written of a job is there after whatever happens, and every change is made once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.core.job import Failure, Job
from burnish.serve.engine.store import Store, StoreError
from tests.serve.conftest import ask

BROKEN = Failure(code="crashed", message="no")


def job(name: str, **changes: object) -> Job:
    """A job of the name's."""
    return Job.model_validate({"id": name, "client": "ann", "ask": ask(), "created_at": 1.0} | changes)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database of the test's own."""
    made = Store(f"sqlite:///{tmp_path}/jobs.db")
    yield made
    made.close()


def test_a_job_is_read_as_it_was_written(store: Store) -> None:
    """With everything about it."""
    full = job("1", key="k", priority=3, deadline_at=9.0, crashes=1, pictures=("a", "b"), failure=BROKEN)
    store.add([full])
    assert store.get("1") == full
    assert store.get("2") is None


def test_a_job_ends_once(store: Store) -> None:
    """Whatever comes after its end changes nothing."""
    store.add([job("1")])
    assert store.start(["1"], 2.0) == ["1"]
    assert store.start(["1"], 3.0) == []
    assert store.succeed({"1": ("a",)}, 4.0) == {"1"}
    ended = store.get("1")
    assert store.succeed({"1": ("b",)}, 5.0) == set()
    assert not store.fail("1", BROKEN, 5.0)
    assert not store.cancel("1", 5.0)
    store.requeue(["1"])
    assert store.recover() == 0
    assert store.get("1") == ended


def test_pictures_of_a_cancelled_job_are_not_taken(store: Store) -> None:
    """Cancelled while it ran, it stays cancelled."""
    store.add([job("1")])
    store.start(["1"], 2.0)
    assert store.cancel("1", 3.0)
    assert store.succeed({"1": ("a",)}, 4.0) == set()


def test_pictures_go_with_the_last_job_that_has_them(store: Store) -> None:
    """Old jobs are forgotten; what another still has stays."""
    store.add([job("1"), job("2")])
    store.start(["1", "2"], 2.0)
    store.succeed({"1": ("a", "b")}, 3.0)
    store.succeed({"2": ("b",)}, 9.0)
    assert store.forget(5.0) == {"a"}
    assert store.get("1") is None
    assert store.forget(10.0) == {"b"}


def test_two_servers_do_not_share_a_database(store: Store, tmp_path: Path) -> None:
    """The second is refused while the first has it open: they would draw each other's jobs."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    with pytest.raises(StoreError, match="another server"):
        Store(url)
    store.close()
    Store(url).close()


KILLED = """
import os, sys
from burnish.core.job import Ask, Job
from burnish.serve.engine.store import Store
store = Store(sys.argv[1])
ask = Ask(release="a" * 64, seeds=(7,), height=32, width=32)
store.add([Job(id=str(k), client="ann", ask=ask, created_at=float(k)) for k in range(5)])
store.start(["0", "1"], 9.0)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_accepted_is_there(tmp_path: Path) -> None:
    """And what it was drawing waits again."""
    url = f"sqlite:///{tmp_path}/jobs.db"
    ended = subprocess.run([sys.executable, "-c", KILLED, url], check=False)  # noqa: S603
    assert ended.returncode == -9
    store = Store(url)
    assert store.recover() == 2
    assert [found.id for found in store.queued()] == ["0", "1", "2", "3", "4"]


def test_a_database_that_is_locked_or_none_says_so(store: Store, tmp_path: Path) -> None:
    """In one line; and nothing is half written."""
    (tmp_path / "none.db").write_text("no database at all, and longer than a header" * 50)
    with pytest.raises(StoreError, match="does not answer"):
        Store(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(StoreError, match="is no database"):
        Store("nonsense")
    with sqlite3.connect(tmp_path / "jobs.db") as other:
        other.execute("DROP TABLE jobs")
    with pytest.raises(StoreError, match="does not answer"):
        store.add([job("1")])
