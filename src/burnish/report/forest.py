"""A forest plot as inline SVG: every check's interval against its bound, good to the right."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from burnish.core.evidence import Check
from burnish.report import words

WIDTH, ROW, TOP = 740, 44, 34  # viewBox units
LABELS, PLOT = 250, 340  # where the plot begins, and how wide it is; the outcome stands right of it
REACH = 0.9  # of half the plot: how far the farthest end of an interval lies from the bound


def forest(checks: Sequence[Check]) -> str:
    """One row a check, each on a scale of its own, its bound on the middle line; "" where there is none.

    Colour repeats what the words at the right say, and a description for screen readers holds every number.
    """
    if not checks:
        return ""
    height = TOP + ROW * len(checks) + 8
    middle = LABELS + PLOT / 2
    rows = "".join(_row(check, TOP + ROW * k + ROW / 2) for k, check in enumerate(checks))
    told = "; ".join(f"{c.metric}: {words.span(c)}, bound {words.bound(c)}, {c.outcome}" for c in checks)
    box = f'viewBox="0 0 {WIDTH} {height}"'
    return f"""<div class="scroll" role="region" tabindex="0" aria-label="Forest plot of the checks">
<svg class="forest" {box} role="img" aria-labelledby="forest-t forest-d">
<title id="forest-t">Intervals of the checks against their bounds</title>
<desc id="forest-d">{escape(told)}</desc>
<rect class="good" x="{middle:g}" y="{TOP - 6}" width="{PLOT / 2:g}" height="{height - TOP + 2}"/>
<text x="{middle - 10:g}" y="20" text-anchor="end">← worse</text>
<text x="{middle:g}" y="20" text-anchor="middle">|</text>
<text x="{middle + 10:g}" y="20">better →</text>
<line class="bound" x1="{middle:g}" x2="{middle:g}" y1="{TOP - 6}" y2="{height - 4}"/>
{rows}</svg>
</div>"""


def _row(check: Check, y: float) -> str:
    sign = 1.0 if check.direction == "higher" else -1.0
    at = check.interval
    offsets = [sign * (value - check.bound) for value in (at.low, at.mean, at.high)]
    scale = REACH * PLOT / 2 / (max(map(abs, offsets)) or 1.0)
    low, mean, high = (LABELS + PLOT / 2 + scale * offset for offset in offsets)
    left, right = min(low, high), max(low, high)
    return f"""<g class="{check.outcome.lower()}">
<text x="0" y="{y - 3:g}">{escape(check.metric)}</text>
<text class="small" x="0" y="{y + 13:g}">{escape(words.bound(check))}</text>
<path class="span" d="M{left:.1f} {y:g}H{right:.1f}M{left:.1f} {y - 6:g}v12M{right:.1f} {y - 6:g}v12"/>
<circle cx="{mean:.1f}" cy="{y:g}" r="5"/>
<text class="word" x="{LABELS + PLOT + 14}" y="{y + 4:g}">{words.SIGN[check.outcome]} {check.outcome}</text>
</g>
"""
