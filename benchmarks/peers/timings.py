"""The log of a comparison: a line a measurement, so that a run that was stopped goes on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish.core.files import write_text


@dataclass(frozen=True, kw_only=True)
class Timing:
    """One process of one row: seconds are per picture, but the cold start, which is of one batch.

    Rows are compared with the baseline of the same `session` and round alone.
    """

    row: str
    batch: int
    round: int
    session: str
    latency_s: float
    cpu_s: float
    peak_mib: float
    cold_start_s: float
    extrapolated: bool = False


COSTS = ("latency_s", "cpu_s", "peak_mib", "cold_start_s")


class Log:
    """Timings on disk, in the order they came; a damaged line is passed over."""

    def __init__(self, path: Path) -> None:
        """`path` may not exist yet."""
        self._path = path
        self.timings = list(_read(path))

    def add(self, timing: Timing) -> None:
        """Kept at once."""
        self.timings.append(timing)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(timing)) + "\n")

    def drop(self, rows: Iterable[str]) -> None:
        """Forgets what was measured of these rows."""
        gone = set(rows)
        self.timings = [t for t in self.timings if t.row not in gone]
        write_text(self._path, "".join(json.dumps(asdict(t)) + "\n" for t in self.timings))

    def has(self, row: str, batch: int, number: int) -> bool:
        """Whether a row was measured in a round."""
        return any((t.row, t.batch, t.round) == (row, batch, number) for t in self.timings)

    def costs(self, row: str, batch: int, baseline: str) -> dict[str, float]:
        """Medians over the rounds, and `x COST`: the baseline's over the row's in the same round."""
        own = [t for t in self.timings if t.row == row and t.batch == batch]
        if not own:
            return {}
        found = {cost: statistics.median(getattr(t, cost) for t in own) for cost in COSTS}
        for cost in COSTS:
            shares = [share for t in own if (share := self._share(t, cost, baseline)) is not None]
            if shares:
                found[f"x {cost}"] = statistics.median(shares)
        return found

    def _share(self, timing: Timing, cost: str, baseline: str) -> float | None:
        beside = [
            getattr(t, cost)
            for t in self.timings
            if (t.row, t.batch, t.round, t.session) == (baseline, timing.batch, timing.round, timing.session)
        ]
        value: float = getattr(timing, cost)
        return statistics.mean(beside) / value if beside and value else None


def whole(timed: Sequence[dict[str, Any]], calls: int | None, batch: int) -> tuple[float, float, bool]:
    """Wall and CPU seconds of one picture, and whether they are extrapolated.

    Two entries are of k and 2 k calls: their difference is what k calls cost; the rest is paid once.
    """
    if len(timed) == 1 or calls is None:
        return timed[0]["latency_s"] / batch, timed[0]["cpu_s"] / batch, False
    few, twice = timed[:2]
    more = (calls - few["calls"]) / (twice["calls"] - few["calls"])
    wall, cpu = (few[k] + more * (twice[k] - few[k]) for k in ("latency_s", "cpu_s"))
    return wall / batch, cpu / batch, True


def _read(path: Path) -> Iterable[Timing]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield Timing(**json.loads(line))
        except (ValueError, TypeError):
            continue
