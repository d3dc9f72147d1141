"""Controls: pictures whose verdict is known beforehand. A gate that gets them wrong says nothing.

Assay sensitivity, as in non-inferiority trials (ICH E10, section 1.5): "no difference found" counts only
where a difference would have been found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.evidence import Outcome
from burnish.measure.judge import Judge
from burnish.measure.pictures import Pictures
from burnish.measure.scores import Scores, score

BLANK_EVERY = 5


@dataclass(frozen=True, kw_only=True)
class Control:
    """Scores of a control's pictures against the reference's, and what the gate must say of them."""

    name: str
    scores: Scores
    expected: Outcome


def _of_another_prompt(images: Sequence[Pictures]) -> Iterator[Pictures]:
    return (images[k - 1] for k in range(len(images)))


def _some_blank(images: Sequence[Pictures]) -> Iterator[Pictures]:
    return (np.full_like(p, 255) if k % BLANK_EVERY == 0 else p for k, p in enumerate(images))


PLANTED: dict[str, Callable[[Sequence[Pictures]], Iterator[Pictures]]] = {
    "pictures of another prompt": _of_another_prompt,
    "every fifth prompt blank": _some_blank,
}


def planted(judge: Judge, prompts: Sequence[str], references: Sequence[Pictures]) -> tuple[Control, ...]:
    """Damages planted in the reference's own pictures, each of which the gate must FAIL.

    `references` holds (seeds, h, w, 3) uint8 a prompt; an array (prompts, seeds, h, w, 3) will do. Neither
    damage needs a model: one breaks what alignment measures, one what the broken-picture check counts.
    Raises SuiteError as `score` does.
    """
    return tuple(
        Control(name=name, scores=score(judge, prompts, damage(references), references), expected="FAIL")
        for name, damage in PLANTED.items()
    )
