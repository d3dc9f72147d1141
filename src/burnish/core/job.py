"""Job: pictures that were asked for and accepted, from the queue to the last picture."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from burnish.core.values import Part, Value

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: tuple[Status, ...] = ("succeeded", "failed", "cancelled")
MOST_PICTURES = 64  # of one job
MOST_PROMPT = 32_000  # characters


class Ask(Part):
    """Everything that the pictures depend on: the same ask gives the same pictures, one a seed."""

    release: str = Field(pattern=r"^[0-9a-f]{64}$")
    seeds: tuple[int, ...] = Field(min_length=1, max_length=MOST_PICTURES)
    prompt: str = Field(default="", max_length=MOST_PROMPT)
    negative_prompt: str = Field(default="", max_length=MOST_PROMPT)
    height: int
    width: int

    @property
    def alike(self) -> tuple[object, ...]:
        """What pictures drawn in one batch must share."""
        return self.release, self.negative_prompt, self.height, self.width

    def settings(self, seed: int) -> dict[str, str]:
        """Everything that the picture of one seed depends on, as its file says it."""
        plain = self.model_dump(mode="json", exclude={"seeds"}, exclude_defaults=True)
        return {name: str(value) for name, value in plain.items()} | {"seed": str(seed)}


class Failure(Part):
    """Why a job failed: a code for programs, and a sentence."""

    code: Literal["crashed", "deadline", "refused"]
    message: str


class Job(Value):
    """One ask of one client. Times are seconds since 1970; 0 where it has not come to that."""

    id: str
    client: str
    ask: Ask
    priority: int = Field(default=0, ge=-10, le=10)  # the higher goes first
    status: Status = "queued"
    key: str = ""  # the client's own, under which the same job is not accepted twice
    created_at: float
    started_at: float = 0.0
    ended_at: float = 0.0
    deadline_at: float = 0.0  # after which no one waits for it; 0: never
    crashes: int = 0  # workers that died while they drew it
    pictures: tuple[str, ...] = ()  # digests of PNG files, one a seed
    failure: Failure | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in ENDED
