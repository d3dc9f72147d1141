"""The page on costs: what to take, the cost at any volume, how long people wait, what was assumed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from burnish.core.costing import BreakEven, Costing, Estimate
from burnish.core.units import show_seconds
from burnish.report import plot, style
from burnish.report.frame import document, items
from burnish.report.plot import Line, Plot, Point
from burnish.report.tables import badge, table

TITLE = "What images cost"
CSS = style.CSS + plot.CSS
POINTS = 240  # of a cost line
DOWN, UP = 0.02, 20.0  # times the demand: how far cost lines are drawn
MOST_SHOWN = 4  # break-even points of a pair
BREAK_EVEN_HEADS = ("Of two", "Cheaper with few", "Break-even, images a month", "Cheaper with many")
HEADS = (
    "Per 1,000 images",
    "A month",
    "Machines",
    "Busy, busiest hour",
    "Wait p50",
    "Wait p95 (90 % interval)",
    "p95, busiest hour",
    "Bears, images a month",
)


def page(found: Costing) -> str:
    """One HTML file that loads nothing; names are escaped, and a policy admits its own style alone."""
    sections = "\n".join(
        f"<section>\n<h2>{name}</h2>\n{content}\n</section>" for name, content in _sections(found)
    )
    body = f"""<main id="main">
<h1>{TITLE}</h1>
{_answer(found)}
{sections}
</main>"""
    return document(TITLE, body, CSS)


def _answer(found: Costing) -> str:
    asked = (
        "No wait was asked for" if found.max_wait_s is None else f"p95 of {show_seconds(found.max_wait_s)}"
    )
    head = badge("PASS" if found.recommended else "FAIL")
    tone = "pass" if found.recommended else "fail"
    volume, day = f"{found.images_per_month:,.0f}", found.prices_of
    basis = f"{volume} images a month, prices of {day}, simulated with seed {found.seed}."
    warnings = "".join(f"<p><strong>{escape(text)}</strong></p>" for text in found.warnings)
    return f"""<section class="verdict {tone}" aria-label="Answer">
<p class="badge">{head}, {asked}</p>
<p class="say">{escape(sentence(found))}</p>
<p>{escape(basis)}</p>
{warnings}
</section>"""


def sentence(found: Costing) -> str:
    """The recommendation, or which offer comes nearest; plain text."""
    asked = "" if found.max_wait_s is None else f" that keeps a p95 of {show_seconds(found.max_wait_s)}"
    if found.recommended:
        best = found.of(found.recommended)
        cost = f"{best.per_thousand(found.images_per_month):,.2f} {found.currency} per 1,000 images"
        return f"Take {best.name}: the cheapest{asked}, {cost}."
    if not found.nearest:
        return "No offer can run it."
    near = found.of(found.nearest)
    return f"No offer has one{asked}. Nearest: {near.name}, {show_seconds(near.wait.p95_s)}."


def cells(e: Estimate, volume: float) -> tuple[str, ...]:
    """An estimate as plain text, for `HEADS`; "" for what does not apply."""
    wait = e.wait
    sure = "" if wait.p95_low_s == wait.p95_high_s else f" ({wait.p95_low_s:.3g} to {wait.p95_high_s:.3g})"
    return (
        f"{e.per_thousand(volume):,.2f}",
        f"{e.monthly(volume):,.2f}",
        str(e.machines or ""),
        f"{e.utilisation:.0%}, {e.busiest_utilisation:.0%}" if e.machines else "",
        show_seconds(wait.p50_s),
        f"{show_seconds(wait.p95_s)}{sure}{'' if e.meets else ', too long'}",
        show_seconds(wait.busiest_p95_s),
        "" if e.capacity is None else f"{e.capacity:,.0f}",
    )


def _sections(found: Costing) -> Iterator[tuple[str, str]]:
    keys = plot.legend([e.name for e in found.estimates])
    if found.estimates:
        yield "Offers", _table(found)
        yield "Cost at any volume", keys + plot.draw(cost_plot(found)) + _break_evens(found)
    waits = plot.draw(wait_plot(found))
    if waits:
        text = "p95 is the thick line, p50 the thin one, with the machines of the table above."
        yield "Waiting at any load", f"<p>{text}</p>{keys}{waits}"
    for name, lines in (("What would change it", found.would_change), ("Assumptions", found.assumptions)):
        if lines:
            yield name, items(lines)
    if found.left_out:
        yield "Left out", items(f"{name}: {reason}." for name, reason in found.left_out.items())


def _table(found: Costing) -> str:
    rows = [(e.name, *cells(e, found.images_per_month)) for e in found.estimates]
    caption = f"The cheapest first, in {found.currency}. Waits are from the order to the finished image."
    return table("cost", caption, ("Offer", *HEADS), [[escape(cell) for cell in row] for row in rows])


def _break_evens(found: Costing) -> str:
    rows = [[escape(cell) for cell in break_even_cells(pair)] for pair in found.break_evens]
    caption = "Images a month at which the cheaper of two becomes the other."
    return table("cost", caption, BREAK_EVEN_HEADS, rows)


def break_even_cells(pair: BreakEven) -> tuple[str, ...]:
    """A pair's break-even points as plain text, for `BREAK_EVEN_HEADS`; of many the first and the last."""
    shown = [f"{volume:,.0f}" for volume in pair.volumes]
    if len(shown) > MOST_SHOWN:
        shown = [*shown[: MOST_SHOWN - 1], f"{len(shown) - MOST_SHOWN} more", shown[-1]]
    return (" or ".join(pair.names), pair.few, "; ".join(shown), pair.many)


def cost_plot(found: Costing) -> Plot:
    """Cost per thousand images against images a month; break-even points as dots, the demand dashed."""
    low, high = DOWN * found.images_per_month, UP * found.images_per_month
    volumes = [low * (high / low) ** (k / (POINTS - 1)) for k in range(POINTS)]
    lines = [
        Line(key=k, points=[(v, cost) for v in volumes if (cost := e.per_thousand(v)) > 0])
        for k, e in enumerate(found.estimates)
    ]
    crossings = [(p.cheaper_at(v), v) for p in found.break_evens for v in p.volumes]
    dots = [(v, found.of(name).per_thousand(v)) for name, v in crossings if low <= v <= high]
    return Plot(
        x_label="images a month; the dashed line is the demand",
        y_label=f"{found.currency} per 1,000 images",
        told="Cost per thousand images against images a month; the tables say the same in numbers",
        lines=lines,
        dots=[dot for dot in dots if dot[1] > 0],
        at_x=found.images_per_month,
        show_x=amount,
        show_y=amount,
    )


def wait_plot(found: Costing) -> Plot:
    """p50 and p95 of the wait against images a month, and the wait that was asked for."""

    def points(e: Estimate, name: str) -> list[Point]:
        return [(p.images_per_month, s) for p in e.loads if (s := float(getattr(p, name))) > 0]

    lines = [
        Line(key=k, points=points(e, name), thin=name == "p50_s")
        for k, e in enumerate(found.estimates)
        for name in ("p95_s", "p50_s")
    ]
    return Plot(
        x_label="images a month; dashed: the demand, and the wait asked for",
        y_label="from order to image",
        told="How long people wait against images a month, at the middle and for 95 of 100 images",
        lines=lines,
        at_x=found.images_per_month,
        at_y=found.max_wait_s,
        show_x=amount,
        show_y=lambda s: show_seconds(s) if s < 1 else f"{s:.4g} s" if s < 1e4 else f"{s:.0f} s",
    )


def amount(value: float) -> str:
    """A round number in short: "0.5", "20", "5k", "2M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.999 * size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
