"""What a search explored: each plan's cost and error, the frontier with its pictures, and its levers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from burnish.core.units import show_seconds
from burnish.report import words
from burnish.report.data import Explored, Lever
from burnish.report.picture import data_uri
from burnish.report.plot import Line, Plot, draw, legend
from burnish.report.tables import table

CHOSEN = ' class="chosen"'
SHOWN = 12  # pictures of the frontier at most
CSS = """
.thumbs { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.thumbs li { width: 8.5rem; font-size: .8rem; line-height: 1.3; }
.thumbs img { width: 100%; height: auto; display: block; border: 2px solid var(--line); border-radius: 6px;
  image-rendering: pixelated; }
.thumbs .chosen img { border-color: var(--ink); }
"""


def pareto(explored: Sequence[Explored], levers: Sequence[Lever]) -> str:
    """The plot, the frontier's pictures in order of cost, and the table of levers; "" where there is none."""
    front = [each for each in explored if each.picture is not None]
    shown = [each for each in front if each.error > 0]  # the original itself has no place on a logarithm
    if not shown:
        return ""
    chosen = next((each for each in explored if each.chosen), None)
    scales = list(dict.fromkeys(each.guidance_scale for each in shown))
    plot = Plot(
        x_label="seconds for an image",
        y_label="error: where its latents end, from the original's of as much guidance",
        told=f"{len(explored)} plans by seconds for an image and error; {len(front)} are on the frontier",
        lines=[
            Line(key=k, points=[(e.latency_s, e.error) for e in shown if e.guidance_scale == scale])
            for k, scale in enumerate(scales)
        ],
        show_x=show_seconds,
        show_y=lambda value: f"{value:.2g}",
        dots=[(e.latency_s, e.error) for e in explored if 0 < e.error < math.inf],
        at_x=chosen.latency_s if chosen else None,
    )
    names = [f"the frontier at guidance {scale:g}" for scale in scales]
    return draw(plot) + legend(names) + _pictures(front) + _levers(levers, chosen)


def _pictures(front: Sequence[Explored]) -> str:
    spread = range(0, len(front), -(-len(front) // SHOWN))
    shown = [e for k, e in enumerate(front) if k in spread or e.chosen]
    items = "".join(
        f"<li{CHOSEN if e.chosen else ''}>"
        f'<img src="{data_uri(e.picture)}" alt="" loading="lazy">'
        f"<strong>{show_seconds(e.latency_s)}</strong>, error {e.error:.2g}"
        f"{', chosen' if e.chosen else ''}<br>{escape(e.description)}</li>"
        for e in shown
        if e.picture is not None
    )
    said = "The same prompt as each plan of the frontier draws it, the cheapest first."
    return f'<p>{said} The dashed line is the plan that was chosen.</p>\n<ul class="thumbs">{items}</ul>'


def _levers(levers: Sequence[Lever], chosen: Explored | None) -> str:
    rows = [(escape(lever.name), _cell(lever.alone), _cell(lever.without)) for lever in levers]
    if chosen is not None:
        rows.append(("All together", _cell((chosen.latency_s, chosen.error)), ""))
    caption = "What each lever gives alone, and the chosen plan without it: time for an image, and error."
    return table("levers", caption, ("Lever", "The original with it alone", "The plan without it"), rows)


def _cell(found: tuple[float, float] | None) -> str:
    if found is None:
        return f'<span class="soft">{escape("cannot be")}</span>'
    latency_s, error = found
    return f"{show_seconds(latency_s)}{words.NBSP}· {f'{error:.2g}' if math.isfinite(error) else 'not run'}"
