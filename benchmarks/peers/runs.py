"""Runs rows: environment, once-only work, pictures, and timings in turns; what is done is kept on disk."""

from __future__ import annotations

import re
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import environments
from benchmarks.peers.protocol import Job, Task, read_pictures, read_reply
from benchmarks.peers.table import BASELINE, Row
from benchmarks.peers.timings import Log, Timing, whole
from burnish.core.errors import BurnishError
from burnish.core.files import digest_text, write_text
from burnish.measure.cost import ProcessCost, measure_in_process
from burnish.measure.pictures import Pictures

LIMIT_S = 3600.0  # of one process
DRAWN_AT_ONCE = 8
MOST_SAID = 400  # characters of an error
FOLDERS = re.compile(r"(?<![\w:/])/(?:[^\s/'\":]+/)+")
SIGNAL = re.compile(r"it exited with -(\d+)")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A comparison: the job of the pictures, and the folder of all that is kept of it.

    `few_calls` times few calls and extrapolates, for a model whose whole picture takes minutes.
    """

    job: Job
    folder: Path
    environments: Path
    few_calls: bool = False
    repeats: int = 2

    @property
    def log(self) -> Log:
        """Its timings."""
        return Log(self.folder / "timings.jsonl")

    def place(self, row: Row) -> Path:
        """All that is kept of a row."""
        return self.folder / "rows" / slug(row.name)

    def kept(self, row: Row) -> Path:
        """Where a peer keeps what it made of the model; rows of the same weights share an export."""
        if "weights" in row.options:
            return self.folder / "exports" / row.options["weights"]
        return self.place(row) / "kept"

    def error(self, row: Row) -> str:
        """Why it cannot run; "" where nothing is known to be wrong."""
        path = self.place(row) / "error.txt"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def calls(self, row: Row) -> list[int | None]:
        """What is timed: the row's own calls, or two counts that its pattern of calls divides."""
        if not self.few_calls or row.environment is None:
            return [None]
        step = max(2, row.options.get("interval", 2))
        return [step, 2 * step]

    def run(self, row: Row, task: Task, output: Path, **others: Any) -> ProcessCost:
        """One process of a peer; raises BurnishError where it does not end well."""
        python = (
            Path(sys.executable)
            if row.environment is None
            else environments.make(row.environment, self.environments)
        )
        request = self.job.request(row, task, self.kept(row), output, **others)
        around = environments.variables(self.kept(row), self.folder / "home")
        return measure_in_process([str(python), str(row.path), str(request)], LIMIT_S, around)

    def prepare(self, row: Row) -> None:
        """The row's once-only work, unless it was done; raises BurnishError."""
        output = self.place(row) / "prepared"
        if row.prepares and not (output / "reply.json").is_file():
            self.run(row, "prepare", output, calls=self.calls(row)[:1])
            read_reply(output, ["prepare_s"])

    def draw(self, row: Row) -> list[Pictures]:
        """The row's pictures of the job, drawn unless they lie there; raises BurnishError."""
        output = self._drawn_at(row)
        if not self.drawn(row):
            self.run(row, "draw", output, batch=min(DRAWN_AT_ONCE, max(row.batches)))
        return read_pictures(output, self.job)

    def drawn(self, row: Row) -> bool:
        """Whether the row's pictures of this job lie there."""
        return (self._drawn_at(row) / "reply.json").is_file()

    def _drawn_at(self, row: Row) -> Path:
        asked = digest_text(repr((self.job.prompts, self.job.seeds, row.options)))[:16]
        return self.place(row) / f"drawn-{asked}"

    def time(self, row: Row, batch: int, number: int, session: str) -> Timing:
        """One timed process; raises BurnishError."""
        output = self.place(row) / "timed"
        (output / "reply.json").unlink(missing_ok=True)
        calls = self.calls(row)
        cost = self.run(row, "time", output, batch=batch, calls=calls, repeats=self.repeats)
        reply = read_reply(output, ["cold_start_s", "timed"])
        wall, cpu, extrapolated = whole(reply["timed"], row.options.get("calls"), batch)
        return Timing(
            row=row.name,
            batch=batch,
            round=number,
            session=session,
            latency_s=wall,
            cpu_s=cpu,
            peak_mib=cost.peak_mib,
            cold_start_s=reply["cold_start_s"],
            extrapolated=extrapolated,
        )

    def failed(self, row: Row, error: Exception) -> None:
        """Writes down why a row cannot run; it is not tried again unless asked."""
        write_text(self.place(row) / "error.txt", said(error))

    def forget(self, rows: Sequence[Row]) -> None:
        """Everything that is kept of these rows."""
        self.log.drop([row.name for row in rows])
        for row in rows:
            shutil.rmtree(self.place(row), ignore_errors=True)


def take_turns(bench: Bench, rows: Sequence[Row], rounds: int) -> None:
    """Times what is not timed yet, a round after another; the baseline comes first and last in each."""
    session, log = f"{time.time():.0f}", bench.log
    baseline = next(row for row in rows if row.name == BASELINE)
    for number in range(rounds):
        for batch in sorted({size for row in rows for size in row.batches}):
            left = [
                row
                for row in rows
                if row.name != BASELINE
                and batch in row.batches
                and not log.has(row.name, batch, number)
                and not bench.error(row)
            ]
            alone = len(rows) == 1 and not log.has(BASELINE, batch, number)
            for row in [baseline, *left, baseline] if left or alone else []:
                say(f"round {number + 1} of {rounds}, batch {batch}: {row.name}")
                try:
                    log.add(bench.time(row, batch, number, session))
                except BurnishError as error:
                    bench.failed(row, error)
                    say(f"  cannot run: {bench.error(row)}")


def draw_all(bench: Bench, rows: Sequence[Row], pictures: bool) -> dict[str, list[Pictures]]:
    """What is done once: each row prepared and, where `pictures` are wanted, drawn. By the row's name."""
    drawn: dict[str, list[Pictures]] = {}
    for k, row in enumerate(rows):
        if bench.error(row):
            continue
        say(f"{k + 1} of {len(rows)}, prepared and drawn: {row.name}")
        try:
            bench.prepare(row)
            if pictures:
                drawn[row.name] = bench.draw(row)
        except BurnishError as error:
            bench.failed(row, error)
            say(f"  cannot run: {bench.error(row)}")
    return drawn


def slug(name: str) -> str:
    """A row's name as a folder's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def said(error: Exception) -> str:
    """An error in a line, without this machine's paths; a signal says more than what came before it."""
    text = FOLDERS.sub("", " ".join(str(error).split()))
    ended = SIGNAL.search(text)
    return f"it ended with {signal.Signals(int(ended[1])).name}" if ended else text[:MOST_SAID]
