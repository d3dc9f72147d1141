"""The margin: how much may be lost, in a unit that means something on this model and by this judge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.interval import mean_interval
from burnish.measure.pictures import Values
from burnish.measure.scores import Scores

Of = Literal["seeds", "halved calls", "points"]
UNITS: tuple[Of, ...] = ("seeds", "halved calls", "points")
WRITTEN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:of\s+)?(seeds|halved calls|points)\s*")


@dataclass(frozen=True, kw_only=True)
class Margin:
    """`amount` of what a new seed changes, of what halving the calls loses, or in plain points."""

    amount: float = 0.25
    of: Of = "seeds"

    def __str__(self) -> str:
        return f"{self.amount:g} {'' if self.of == 'points' else 'of '}{self.of}"


def read_margin(text: str) -> Margin:
    """The margin in words: "0.25 of seeds", "0.5 of halved calls", "1.5 points"; raises SuiteError."""
    found = WRITTEN.fullmatch(text)
    if not found or not 0 < float(found[1]) <= 100:
        raise SuiteError(
            f"{text!r:.80} is no margin", 'Write "0.25 of seeds", "0.5 of halved calls" or "1.5 points"'
        )
    amount, of = float(found[1]), found[2]
    return Margin(
        amount=amount, of="points" if of == "points" else "seeds" if of == "seeds" else "halved calls"
    )


class Allowed(NamedTuple):
    """What a mean difference may fall to, (prompts,) by how much each prompt moves that, and in words why."""

    bound: float
    influence: Values
    why: str


def allowed(margin: Margin, reference: Scores, halved: Scores | None = None) -> Allowed:
    """The bound on the mean alignment difference that a margin sets.

    Added to the differences, `influence` (mean 0) leaves their mean and widens their interval by what is not
    known of a margin that the same prompts estimate. Without it a candidate nearly identical to the reference
    but just beyond the margin would pass half of the time instead of one time in twenty. Raises SuiteError
    with fewer than two seeds where seeds are the unit, and where `halved` (the reference with half of its
    calls) is needed and missing.
    """
    return {"seeds": _of_seeds, "halved calls": _of_halved, "points": _of_points}[margin.of](
        margin, reference, halved
    )


def require_unit(reference: Scores, halved: Scores) -> None:
    """Raises SuiteError where halving the calls is not shown to lose anything: that is no unit."""
    loss = mean_interval((reference.alignment - halved.alignment).mean(axis=1))
    if loss.low <= 0:
        raise SuiteError(
            f"halving the calls loses {loss.mean:.3g} points ({loss.low:.3g} to {loss.high:.3g}): no unit "
            "for a margin",
            'Use --margin "0.25 of seeds"',
        )


def seed_spread(alignment: Values) -> float:
    """Standard deviation between seeds within a prompt, pooled over prompts, of values (prompts, seeds).

    Raises SuiteError with fewer than two seeds.
    """
    if alignment.shape[1] < 2:
        raise SuiteError("one seed a prompt does not show what a new seed changes", "Use two seeds or more")
    return float(np.sqrt(alignment.var(axis=1, ddof=1).mean()))


def _of_seeds(margin: Margin, reference: Scores, halved: Scores | None) -> Allowed:
    """Whoever draws again accepts the whole spread without noticing; a quarter of it is well below that."""
    spread = seed_spread(reference.alignment)
    variance = reference.alignment.var(axis=1, ddof=1)
    influence = (variance - variance.mean()) / (2 * spread) if spread > 0 else 0 * variance  # delta method
    return Allowed(
        -margin.amount * spread,
        margin.amount * influence,
        f"the mean loss may be at most {margin.amount:g} of the {spread:.3g} points by which the reference's "
        "own pictures of one prompt differ from seed to seed; the interval holds what is not known of it too",
    )


def _of_halved(margin: Margin, reference: Scores, halved: Scores | None) -> Allowed:
    if halved is None:
        raise SuiteError("a margin of halved calls needs the reference's pictures with half of its calls")
    losses = (reference.alignment - halved.alignment).mean(axis=1)
    loss = float(losses.mean())
    return Allowed(
        -margin.amount * loss,
        margin.amount * (losses - loss),
        f"the mean loss may be at most {margin.amount:g} of the {loss:.3g} points that halving the "
        "reference's calls loses",
    )


def _of_points(margin: Margin, reference: Scores, halved: Scores | None) -> Allowed:
    return Allowed(
        -margin.amount,
        np.zeros(len(reference.alignment)),
        f"the mean loss may be at most {margin.amount:g} points, as asked",
    )
