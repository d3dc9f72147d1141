"""The table of costs and quality, original and optimized side by side, with the plan that just calls less."""

from __future__ import annotations

from html import escape

from burnish.core.evidence import Measurement
from burnish.core.units import show_mib, show_seconds
from burnish.report import words
from burnish.report.data import Candidate, ReportData
from burnish.report.tables import badge, table

SAME_COST = "fewer calls at the same cost"  # how the outcome of that candidate begins
ESTIMATED = "estimated"  # how the source of an energy that no counter measured begins
COSTS = (
    ("Denoiser calls", "calls", "{:.0f}".format, "fewer", "more"),
    ("Denoiser passes", "passes", "{:.0f}".format, "fewer", "more"),
    ("Time for an image", "latency_s", show_seconds, "faster", "slower"),
    ("CPU time for an image, all cores", "cpu_s", show_seconds, "less", "more"),
    ("Cold start", "cold_start_s", show_seconds, "faster", "slower"),
    ("First start on a machine", "first_start_s", show_seconds, "faster", "slower"),
    ("Peak memory of the first start", "first_peak_mib", show_mib, "less", "more"),
    ("Peak memory", "peak_mib", show_mib, "less", "more"),
    ("Size on disk", "disk_mib", show_mib, "smaller", "larger"),
)


def cost_table(data: ReportData) -> str:
    """Costs with their change, then quality; where the search tried it, what the cost buys without Burnish.

    That is the original with as few denoiser calls as make it as fast: the last column.
    """
    rows = [
        ("Model", escape(data.original.name), escape(data.optimized.name), ""),
        ("Plan", escape(data.original.plan.describe()), escape(data.optimized.plan.describe()), ""),
        *_costs(data.original.measurement, data.optimized.measurement),
        _energy(data.original.measurement, data.optimized.measurement),
        *((escape(c.metric), "reference", escape(words.span(c)), "") for c in data.verdict.checks),
        ("Verdict", "reference", badge(data.verdict.outcome), ""),
    ]
    heads: tuple[str, ...] = ("", "Original", "Optimized", "Change")
    control = next((c for c in data.candidates if c.outcome.startswith(SAME_COST)), None)
    batch = _batch(data.original.measurement, data.optimized.measurement)
    caption = f"Per image{batch}; quality with its interval."
    if control is None:
        return table("cost", caption, heads, rows)
    beside = _same_cost(control)
    quality = {escape(check.metric): "in its verdict" for check in data.verdict.checks}
    missing = '<span class="soft">{}</span>'.format
    shown = [(*row, beside.get(row[0], missing(quality.get(row[0], "not measured")))) for row in rows]
    caption += " The last column: the original, with fewer calls until it costs the same."
    return table("cost", caption, (*heads, "Fewer calls at the same cost"), shown)


def _costs(original: Measurement, optimized: Measurement) -> list[tuple[str, str, str, str]]:
    rows = []
    for label, field, show, less, more in COSTS:
        a, b = (float(getattr(side, field)) for side in (original, optimized))
        before, after = (show(x) if x else "not measured" for x in (a, b))
        rows.append((label, before, after, words.ratio(a, b, less, more)))
    return rows


def _energy(original: Measurement, optimized: Measurement) -> tuple[str, str, str, str]:
    """Joules with their source. What two sources measured is not compared."""
    before, after = (_joules(side) for side in (original, optimized))
    change = words.ratio(original.energy_j, optimized.energy_j, "less", "more")
    if change and original.energy_from != optimized.energy_from:
        change = "not comparable: the sources differ"
    elif change and optimized.energy_from.lower().startswith(ESTIMATED):
        change = f"{change}, estimated"
    return ("Energy for an image", before, after, change)


def _joules(side: Measurement) -> str:
    if not side.energy_j:
        return "not measured"
    kilo = side.energy_j >= 1000
    amount = f"{side.energy_j / 1000:.3g}{words.NBSP}kJ" if kilo else f"{side.energy_j:.3g}{words.NBSP}J"
    return f'{amount}<br><span class="soft">{escape(side.energy_from or "source not stated")}</span>'


def _same_cost(control: Candidate) -> dict[str, str]:
    """Cells of the last column, by the row's label."""
    return {
        "Model": "as the original",
        "Plan": escape(control.description),
        "Denoiser passes": str(control.passes),
        "Time for an image": show_seconds(control.latency_s),
        "Verdict": badge(control.outcome.removeprefix(SAME_COST).lstrip(": ")),
    }


def _batch(a: Measurement, b: Measurement) -> str:
    return f", in batches of {a.batch}" if a.batch == b.batch else f", batches of {a.batch} and {b.batch}"
