"""What the engine and its worker processes say to each other; both ends are ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Pictures to draw in one batch. `texts` are written into each picture's file."""

    number: int
    bundle: Path
    seeds: tuple[int, ...]
    prompts: tuple[str, ...] = ()
    negative_prompt: str = ""
    height: int
    width: int
    texts: tuple[dict[str, str], ...] = ()
    previews: bool = False  # whether anyone looks at what is not done yet


@dataclass(frozen=True, kw_only=True)
class Stop:
    """No one waits for this batch any more: it ends at the next step."""

    number: int


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A step of a batch is done; `previews` are PNG files, one a picture, where they were asked for."""

    number: int
    step: int
    steps: int
    previews: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A batch is done: PNG files in order, and what it took, but for opening its bundle."""

    number: int
    pictures: tuple[bytes, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A batch cannot be drawn, and would not be if it were tried again; or was stopped."""

    number: int
    stopped: bool = False
    message: str = ""
