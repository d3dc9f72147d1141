"""Jobs on disk: SQLite for one machine, PostgreSQL for teams. What was accepted outlives whatever is killed.

Every change is a transaction that says from which states it may be made: made twice, it is made once.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from burnish.core.errors import BurnishError
from burnish.core.job import ENDED, Failure, Job, Status

_TABLES = sa.MetaData()
JOBS = sa.Table(
    "jobs",
    _TABLES,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("client", sa.String(256), nullable=False),
    sa.Column("key", sa.String(256)),  # NULL where the client gave none
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float, nullable=False),
    sa.Column("ended_at", sa.Float, nullable=False),
    sa.Column("deadline_at", sa.Float, nullable=False),
    sa.Column("crashes", sa.Integer, nullable=False),
    sa.Column("ask", sa.Text, nullable=False),
    sa.Column("pictures", sa.Text, nullable=False),
    sa.Column("failure", sa.Text),
    sa.UniqueConstraint("client", "key"),
    sa.Index("jobs_by_status", "status", "created_at"),
    sa.Index("jobs_by_client", "client", "created_at"),
)
CLAIM = 0x6275726E  # number of the lock that an engine holds on a PostgreSQL database
OPEN: tuple[Status, ...] = ("queued", "running")


class StoreError(BurnishError):
    """The database does not answer, or is not one."""


class Store:
    """Jobs in one database, by its SQLAlchemy URL. One thread uses it at a time."""

    def __init__(self, url: str) -> None:
        """Opens it and makes the table where there is none; raises StoreError, and where another has it open.

        Two engines would draw each other's jobs.
        """
        self._engine = _engine(url)
        self._claim = _claimed(self._engine)
        with self._changes() as connection:
            _TABLES.create_all(connection)

    def add(self, jobs: Sequence[Job]) -> list[Job]:
        """Accepts jobs, all or none; in place of one whose client gave its key before, the one of then."""
        with self._changes() as connection:
            found = []
            for job in jobs:
                known = _known(connection, job.client, job.key)
                if known is None:
                    connection.execute(JOBS.insert().values(_row(job)))
                found.append(known or job)
            return found

    def find(self, client: str, key: str) -> Job | None:
        """The job that a client gave this key for, or None."""
        with self._changes() as connection:
            return _known(connection, client, key)

    def get(self, job_id: str) -> Job | None:
        """A job, or None."""
        with self._changes() as connection:
            return _one(connection, job_id)

    def of_client(self, client: str, limit: int, before: float | None = None) -> list[Job]:
        """A client's jobs, the newest first, of those made before a time."""
        asked = sa.select(JOBS).where(JOBS.c.client == client)
        if before is not None:
            asked = asked.where(JOBS.c.created_at < before)
        with self._changes() as connection:
            return _jobs(connection, asked.order_by(JOBS.c.created_at.desc(), JOBS.c.id).limit(limit))

    def queued(self) -> list[Job]:
        """All that wait, the oldest first."""
        asked = sa.select(JOBS).where(JOBS.c.status == "queued").order_by(JOBS.c.created_at, JOBS.c.id)
        with self._changes() as connection:
            return _jobs(connection, asked)

    def start(self, ids: Collection[str], now: float) -> list[str]:
        """Marks those that still wait as running; gives their ids."""
        with self._changes() as connection:
            waiting = set(connection.scalars(sa.select(JOBS.c.id).where(_among(ids, ("queued",)))))
            values = {"status": "running", "started_at": now}
            connection.execute(JOBS.update().where(_among(waiting, ("queued",))).values(values))
            return [each for each in ids if each in waiting]

    def succeed(self, pictures: Mapping[str, Sequence[str]], now: float) -> set[str]:
        """The pictures of jobs that run, by their ids; gives those that took them."""
        with self._changes() as connection:
            return {
                job_id
                for job_id, drawn in pictures.items()
                if _ended(
                    connection, job_id, ("running",), "succeeded", now, pictures=json.dumps(list(drawn))
                )
            }

    def fail(self, job_id: str, failure: Failure, now: float) -> bool:
        """Why a job failed; whether it had not ended before."""
        with self._changes() as connection:
            return _ended(connection, job_id, OPEN, "failed", now, failure=failure.model_dump_json())

    def cancel(self, job_id: str, now: float) -> bool:
        """Whether this ended it: one that has ended stays as it is."""
        with self._changes() as connection:
            return _ended(connection, job_id, OPEN, "cancelled", now)

    def requeue(self, ids: Collection[str], crashes: int = 0) -> None:
        """Puts jobs that ran back into the queue, with so many more dead workers to their account."""
        values = {"status": "queued", "started_at": 0.0, "crashes": JOBS.c.crashes + crashes}
        with self._changes() as connection:
            connection.execute(JOBS.update().where(_among(ids, ("running",))).values(values))

    def recover(self) -> int:
        """What ran when the server ended waits again; how many there were."""
        with self._changes() as connection:
            values = {"status": "queued", "started_at": 0.0}
            return connection.execute(JOBS.update().where(JOBS.c.status == "running").values(values)).rowcount

    def forget(self, before: float) -> set[str]:
        """Removes jobs that ended before a time; gives digests of pictures that no job has any more."""
        old = sa.and_(JOBS.c.status.in_(ENDED), JOBS.c.ended_at < before)
        with self._changes() as connection:
            gone = _digests(connection, sa.select(JOBS.c.pictures).where(old))
            connection.execute(JOBS.delete().where(old))
            left = _digests(connection, sa.select(JOBS.c.pictures)) if gone else set()
            return gone - left

    def close(self) -> None:
        """Lets go of the database."""
        self._claim.close()
        self._engine.dispose()

    def _changes(self) -> _Changes:
        return _Changes(self._engine)


class _Changes:
    """A transaction; what the database says of itself becomes a StoreError."""

    def __init__(self, engine: sa.Engine) -> None:
        self._begun = engine.begin()

    def __enter__(self) -> sa.Connection:
        try:
            return self._begun.__enter__()
        except sa.exc.SQLAlchemyError as error:
            raise _plain(error) from error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._begun.__exit__(kind, error, trace)
        except sa.exc.SQLAlchemyError as again:
            raise _plain(again) from again
        if isinstance(error, sa.exc.SQLAlchemyError):
            raise _plain(error) from error


def _plain(error: Exception) -> StoreError:
    first = str(error).strip().splitlines()[0]
    return StoreError(f"the jobs' database does not answer: {first[:200]}", "Check its address and its disk")


def _engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise StoreError(
            f"{url!r:.80} is no database: {error}", "Give sqlite:///FILE or postgresql+..."
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _set_up)
    return engine


def _claimed(engine: sa.Engine) -> ExitStack:
    """Holds a database for as long as this process has it open; raises StoreError where another does."""
    held = ExitStack()
    taken = StoreError(f"another server has {engine.url!r} open", "Stop it, or give another database")
    if engine.dialect.name == "postgresql":
        connection = held.enter_context(_Changes(engine))
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(CLAIM))):
            held.close()
            raise taken
    elif engine.dialect.name == "sqlite" and engine.url.database:
        try:
            file = held.enter_context(Path(f"{engine.url.database}.lock").open("a"))  # noqa: SIM115 - closed with the rest
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            held.close()
            raise taken if isinstance(error, BlockingIOError) else _plain(error) from None
    return held


def _set_up(connection: Any, _: object) -> None:
    """Readers do not wait for the writer; a commit is on the disk before it is answered."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _among(ids: Collection[str], states: Sequence[Status]) -> sa.ColumnElement[bool]:
    return sa.and_(JOBS.c.id.in_(list(ids)), JOBS.c.status.in_(states))


def _ended(
    connection: sa.Connection,
    job_id: str,
    states: Sequence[Status],
    status: Status,
    now: float,
    **values: Any,
) -> bool:
    """Whether a job in one of these states came to its end."""
    change = JOBS.update().where(_among((job_id,), states)).values(status=status, ended_at=now, **values)
    return connection.execute(change).rowcount == 1


def _known(connection: sa.Connection, client: str, key: str) -> Job | None:
    if not key:
        return None
    asked = sa.select(JOBS).where(JOBS.c.client == client, JOBS.c.key == key)
    return next(iter(_jobs(connection, asked)), None)


def _one(connection: sa.Connection, job_id: str) -> Job | None:
    return next(iter(_jobs(connection, sa.select(JOBS).where(JOBS.c.id == job_id))), None)


def _jobs(connection: sa.Connection, asked: sa.Select[Any]) -> list[Job]:
    return [_job(row._mapping) for row in connection.execute(asked)]


def _row(job: Job) -> dict[str, Any]:
    plain = job.model_dump(exclude={"schema_version", "ask", "pictures", "failure", "key"})
    return plain | {
        "key": job.key or None,
        "ask": job.ask.model_dump_json(),
        "pictures": json.dumps(job.pictures),
        "failure": job.failure.model_dump_json() if job.failure else None,
    }


def _job(row: Any) -> Job:
    plain = dict(row)
    plain["ask"], plain["pictures"] = json.loads(plain["ask"]), json.loads(plain["pictures"])
    plain["failure"] = json.loads(plain["failure"]) if plain["failure"] else None
    return Job.model_validate(plain | {"key": plain["key"] or ""})


def _digests(connection: sa.Connection, asked: sa.Select[Any]) -> set[str]:
    return {digest for text in connection.scalars(asked) for digest in json.loads(text)}
