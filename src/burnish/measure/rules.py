"""Rules: a metric, the bound its mean must respect, and why that bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`metric` is a field of `Scores`; `label` and `unit` are what people read."""

    metric: str
    label: str
    unit: str
    bound: float
    direction: Direction
    why: str


# What `faithful` means: the picture that the reference draws, as far as eyes can tell.
FAITHFUL: tuple[Rule, ...] = (
    Rule(
        metric="psnr",
        label="PSNR",
        unit="dB",
        bound=25.0,
        direction="higher",
        why="a root mean square error of 14 levels of 255: the same shapes and colours, small tints aside",
    ),
    Rule(
        metric="ssim",
        label="SSIM",
        unit="",
        bound=0.90,
        direction="higher",
        why="edges and textures stay in place; another picture of the same prompt is far below",
    ),
    Rule(
        metric="distance",
        label="feature distance",
        unit="",
        bound=0.05,
        direction="lower",
        why="the judge's features point the same way (cosine 0.95): the same thing is shown",
    ),
)
