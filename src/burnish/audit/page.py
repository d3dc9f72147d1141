"""The audit as one HTML file that loads nothing, and its numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape

from burnish.core.evidence import Interval
from burnish.core.findings import Audit, Comparison, Finding
from burnish.report.frame import document, items
from burnish.report.style import CSS
from burnish.report.tables import table

TITLE = "Audit: optimized against original"
TITLES = {
    "robustness": "Robustness",
    "novelty": "Novelty",
    "bias": "Bias",
    "memorisation": "Memorisation",
    "membership": "Membership",
}
HEADS = ("Original", "Optimized", "Change", "Units", "p")
CAPTION = (
    "Means with intervals of 90 %; the change is optimized less original on the same prompts and seeds, with "
    "p-values by Holm within the table."
)


def span(interval: Interval, unit: str) -> str:
    """A mean and its interval, to two digits of its width: "0.10 (-0.20 to 0.41)"; shares as percent."""
    factor = 100.0 if unit == "share" else 1.0
    low, mean, high = (factor * x for x in (interval.low, interval.mean, interval.high))
    most = 1 if unit == "share" else 4
    digits = min(most, max(0, 1 - math.floor(math.log10(high - low)))) if high > low else min(most, 2)
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def cells(found: Comparison) -> tuple[str, ...]:
    """A comparison as plain text: its name with the unit, both models, the change, how many units, p."""
    unit = {"share": "%", "": ""}.get(found.unit, found.unit)
    sides = (span(i, found.unit) for i in (found.original, found.optimized, found.change))
    p = "" if found.p_value is None else f"{found.p_value:.2g}"
    return (f"{found.name}{', ' if unit else ''}{unit}", *sides, str(found.change.n), p)


def page(audit: Audit, names: Mapping[str, str]) -> str:
    """The page as text; `names` are shown as its provenance."""
    sections = "\n".join(_section(finding) for finding in audit.findings)
    facts = {**names, "prompts of a part, at most": str(audit.prompts), "seeds of a prompt": str(audit.seeds)}
    facts |= {"optimized": audit.bundle, "original": audit.against, "judge": audit.judge}
    rows = [(escape(name), escape(text)) for name, text in facts.items()]
    body = f"""<main id="main">
<h1>{TITLE}</h1>
{sections}
<h2>Provenance</h2>
{table("provenance", "What this page speaks of.", ("What", "Value"), rows)}
</main>"""
    return document(TITLE, body, CSS)


def _section(finding: Finding) -> str:
    return "\n".join([f"<h2>{TITLES[finding.part]}</h2>", *_parts(finding)])


def _parts(finding: Finding) -> Iterator[str]:
    if finding.left_out:
        yield f"<p>Left out: {escape(finding.left_out)}.</p>"
        return
    yield f"<p>{escape(finding.answer)}</p>"
    rows = ([escape(cell) for cell in cells(c)] for c in finding.comparisons)
    yield table("checks", CAPTION, ("What", *HEADS), rows)
    numbers = ((escape(name), f"{value:.3g}") for name, value in finding.numbers.items())
    yield table("advisory", "Beside them", ("What", "Value"), numbers)
    if finding.limits:
        yield items(finding.limits)
