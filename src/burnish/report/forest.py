"""A forest plot: every check's interval against its bound, good to the right.

Its rows are lists and tables of HTML with a small SVG in each, so that text keeps its size on a narrow
screen, reads without sight, and breaks over printed pages between rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from burnish.core.evidence import Check
from burnish.report import words

WIDTH, HEIGHT, HEAD = 240, 28, 36  # viewBox units of a row's piece, and of the head's
ROOM = 0.04  # of the scale, left free at both ends


class Scale(NamedTuple):
    """From units on the good side of the bound to viewBox units; `zero` is where there is no difference."""

    low: float
    high: float
    zero: float | None = None

    def x(self, ahead: float) -> float:
        """Where `ahead` lies; the end of the scale for what is beyond it."""
        share = (ahead - self.low) / (self.high - self.low)
        return 6 + (WIDTH - 12) * min(1.0, max(0.0, share))


def forest(checks: Sequence[Check]) -> str:
    """One row a check, each on a scale of its own with its bound in the middle; "" where there is none.

    A dotted mark stands where a FAIL begins, if that is beyond the bound. Colour repeats what the words at
    the right say, and screen readers are told every number.
    """
    if not checks:
        return ""
    head = f'<li aria-hidden="true">{head_piece(Scale(-1.0, 1.0))}</li>'
    dotted = "<p>The dotted mark is where a FAIL begins.</p>" if any(map(words.tolerated, checks)) else ""
    rows = "\n".join(map(_row, checks))
    label = "Intervals of the checks against their bounds"
    return f'<ul class="forest" aria-label="{label}">\n{head}\n{rows}\n</ul>{dotted}'


def _row(check: Check) -> str:
    told = f"{words.span(check)}, bound {words.bound(check)}"
    word = f"{words.SIGN[check.outcome]} {check.outcome}"
    return f"""<li>
<span class="label"><bdi>{escape(check.metric)}</bdi><br>
<span class="soft" aria-hidden="true">{escape(words.bound(check))}</span></span>
{piece(check, _own_scale(check))}
<span class="badge {check.outcome.lower()}">{word}</span> <span class="unseen">{escape(told)}</span>
</li>"""


def _own_scale(check: Check) -> Scale:
    at = check.interval
    marks = [at.low, at.mean, at.high, *([] if check.tolerated is None else [check.tolerated])]
    reach = (1 + ROOM) * max(abs(words.ahead(check, mark)) for mark in marks) or 1.0
    return Scale(-reach, reach)


def piece(check: Check, scale: Scale) -> str:
    """The interval of one check, hidden from screen readers; an arrow where it goes on beyond the scale."""
    bound = scale.x(0.0)
    good = f'<rect class="good" x="{bound:.1f}" y="0" width="{WIDTH - bound:.1f}" height="{HEIGHT}"/>'
    lines = good + _lines(scale, 0, HEIGHT)
    if check.interval.n == 0:
        return _svg(HEIGHT, lines)
    low, mean, high = (words.ahead(check, at) for at in _ends(check))
    y = HEIGHT / 2
    left, right = scale.x(low), scale.x(high)
    drawn = f'<path class="span" d="M{left:.1f} {y:g}H{right:.1f}"/>'
    if low < scale.low:
        drawn += f'<path class="arrow" d="M{left - 6:.1f} {y:g}l10 -5v10z"/>'
    if high > scale.high:
        drawn += f'<path class="arrow" d="M{right + 6:.1f} {y:g}l-10 -5v10z"/>'
    if scale.low <= mean <= scale.high:
        drawn += f'<circle cx="{scale.x(mean):.1f}" cy="{y:g}" r="4"/>'
    if words.tolerated(check) and check.tolerated is not None:
        lines += _line("tolerated", scale.x(words.ahead(check, check.tolerated)), 3, HEIGHT - 3)
    return _svg(HEIGHT, f'{lines}<g class="{check.outcome.lower()}">{drawn}</g>')


def _ends(check: Check) -> tuple[float, float, float]:
    """The interval's worse end, its mean and its better end."""
    at = check.interval
    return (at.low, at.mean, at.high) if check.direction == "higher" else (at.high, at.mean, at.low)


def head_piece(scale: Scale) -> str:
    """What stands over the pieces: which way is better, where the bound is, and where no difference."""
    names = f'<text x="0" y="12">← worse</text><text x="{WIDTH}" y="12" text-anchor="end">better →</text>'
    bound = min(WIDTH - 24.0, max(24.0, scale.x(0.0)))
    names += f'<text x="{bound:.1f}" y="28" text-anchor="middle">bound</text>'
    if scale.zero is not None and abs(scale.x(scale.zero) - bound) > 24:
        names += f'<text x="{scale.x(scale.zero):.1f}" y="28" text-anchor="middle">0</text>'
    return _svg(HEAD, _lines(scale, 31, HEAD) + names)


def _lines(scale: Scale, top: int, bottom: int) -> str:
    zero = "" if scale.zero is None else _line("zero", scale.x(scale.zero), top, bottom)
    return zero + _line("bound", scale.x(0.0), top, bottom)


def _line(kind: str, x: float, top: int, bottom: int) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'


def _svg(height: int, inner: str) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg class="piece" {size} aria-hidden="true">{inner}</svg>'
