"""How long pictures take here, as measured: what a client is told before it waits."""

from __future__ import annotations

from burnish.core.job import Ask, Job

UNKNOWN_S = 10.0  # of a picture, until one was drawn
WEIGHT = 0.2  # of the newest measurement


class Estimate:
    """Seconds of a picture by what is drawn and in how large a batch, smoothed over the latest."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[object, ...], float] = {}

    def learn(self, ask: Ask, count: int, seconds: float) -> None:
        """A batch of `count` pictures like this took so long."""
        key, each = self._key(ask), seconds / count
        known = self._seconds.get(key)
        self._seconds[key] = each if known is None else known + WEIGHT * (each - known)

    def seconds(self, job: Job) -> float:
        """What a job's pictures are expected to take."""
        return len(job.ask.seeds) * self._seconds.get(self._key(job.ask), self._other())

    def _other(self) -> float:
        return max(self._seconds.values(), default=UNKNOWN_S)

    @staticmethod
    def _key(ask: Ask) -> tuple[object, ...]:
        return ask.release, ask.height, ask.width
