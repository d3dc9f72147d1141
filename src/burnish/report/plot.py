"""A line plot on logarithmic scales as SVG; lines have a letter and a dash beside their colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 380  # viewBox units
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 26, 44  # margins
# At least 3 : 1 against the page, light and dark.
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#e7298a", "#7570b3", "#a6761d", "#c0392b", "#6b6b6b")
DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TICKS = (1.0, 2.0, 5.0)
MOST_TICKS = 9

CSS = """
.plot { display: block; width: 100%; min-width: 34rem; height: auto; color: var(--soft); }
.plot text { fill: currentColor; font: 12px system-ui, sans-serif; }
.plot .letter { font-weight: 700; paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.plot .grid { stroke: var(--line); stroke-width: .5; }
.plot .mark { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }
.plot path { fill: none; stroke-width: 2.25; }
.plot .thin { stroke-width: 1.25; opacity: .8; }
.plot circle { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0; padding: 0;
  list-style: none; }
.legend svg { width: 2.5rem; height: .75rem; vertical-align: middle; }
.legend path { fill: none; stroke-width: 2.25; }
"""

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points of one line, all above zero; `key` is its place in the legend, a thin line is the lesser one."""

    key: int
    points: Sequence[Point]
    thin: bool = False


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What is drawn. `dots` are marked points; `at_x` and `at_y` dashed lines across, None for none."""

    x_label: str
    y_label: str
    told: str  # what a screen reader says in its place
    lines: Sequence[Line]
    show_x: Callable[[float], str]
    show_y: Callable[[float], str]
    dots: Sequence[Point] = ()
    at_x: float | None = None
    at_y: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From numbers on a logarithmic scale to viewBox units."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies, beyond the ends too."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + (self.end - self.start) * share

    def ticks(self) -> list[float]:
        """Round numbers within it, fewer where there would be too many; its ends where there is none."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = [step * 10.0**k for k in range(first, last + 1) for step in TICKS]
        inside = [tick for tick in every if self.low * 0.999 <= tick <= self.high * 1.001]
        tens = [tick for tick in inside if math.isclose(math.log10(tick), round(math.log10(tick)))]
        if len(inside) > MOST_TICKS and tens:
            return tens[:: -(-len(tens) // MOST_TICKS)]
        return inside or [self.low, self.high]


def draw(plot: Plot) -> str:
    """The plot; "" where no line has a point."""
    points = [point for line in plot.lines for point in line.points]
    if not points:
        return ""
    xs, ys = (
        [*(p[k] for p in points)] + [v for v in (at,) if v] for k, at in ((0, plot.at_x), (1, plot.at_y))
    )
    x = _scale(xs, LEFT, WIDTH - RIGHT, 1.0)
    y = _scale(ys, HEIGHT - BOTTOM, TOP, 1.15)
    parts = [*_frame(plot, x, y), *(_line(line, x, y) for line in plot.lines)]
    parts += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="4"/>' for a, b in plot.dots]
    parts += [_letter(line, k, x, y) for k, line in enumerate(li for li in plot.lines if not li.thin)]
    told = escape(plot.told)
    return f"""<div class="scroll" role="region" tabindex="0" aria-label="{told}">
<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{told}">
{chr(10).join(parts)}
</svg>
</div>"""


def legend(names: Sequence[str]) -> str:
    """Letters, strokes and names of the lines, in the order of their keys."""
    items = "".join(
        f'<li><svg viewBox="0 0 40 12" aria-hidden="true"><path d="M0 6H40" {_stroke(k)}/></svg> '
        f"<strong>{_letter_of(k)}</strong> {escape(name)}</li>"
        for k, name in enumerate(names)
    )
    return f'<ul class="legend">{items}</ul>'


def _scale(values: Sequence[float], start: float, end: float, room: float) -> Scale:
    low, high = min(values) / room, max(values) * room
    if high / low < 1.01:
        low, high = low / 2, high * 2
    return Scale(low=low, high=high, start=start, end=end)


def _frame(plot: Plot, x: Scale, y: Scale) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    found = []
    for tick in x.ticks():
        at = f"{x.at(tick):.1f}"
        found.append(f'<path class="grid" d="M{at} {TOP}V{bottom}"/>')
        found.append(
            f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{escape(plot.show_x(tick))}</text>'
        )
    for tick in y.ticks():
        at = f"{y.at(tick):.1f}"
        found.append(f'<path class="grid" d="M{LEFT} {at}H{right}"/>')
        found.append(
            f'<text x="{LEFT - 6}" y="{at}" dy="4" text-anchor="end">{escape(plot.show_y(tick))}</text>'
        )
    found.append(f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">{escape(plot.x_label)}</text>')
    found.append(f'<text x="{LEFT}" y="{TOP - 10}">{escape(plot.y_label)}</text>')
    if plot.at_x:
        found.append(f'<path class="mark" d="M{x.at(plot.at_x):.1f} {TOP}V{bottom}"/>')
    if plot.at_y:
        found.append(f'<path class="mark" d="M{LEFT} {y.at(plot.at_y):.1f}H{right}"/>')
    return found


def _line(line: Line, x: Scale, y: Scale) -> str:
    if not line.points:
        return ""
    path = "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in line.points)
    kind = ' class="thin"' if line.thin else ""
    return f'<path{kind} d="M{path}" {_stroke(line.key)}/>'


def _letter(line: Line, k: int, x: Scale, y: Scale) -> str:
    """The line's letter on it, each further left than the one before, so that few lie on each other."""
    if not line.points:
        return ""
    a, b = line.points[max(0, len(line.points) - 1 - (k % 8 + 1) * max(1, len(line.points) // 20))]
    return f'<text class="letter" x="{x.at(a):.1f}" y="{y.at(b):.1f}" dy="-4">{_letter_of(line.key)}</text>'


def _stroke(key: int) -> str:
    dash = DASHES[(key // len(COLOURS) + key) % len(DASHES)]
    return f'stroke="{COLOURS[key % len(COLOURS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _letter_of(key: int) -> str:
    return LETTERS[key] if key < len(LETTERS) else str(key + 1)
