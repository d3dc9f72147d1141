"""The report: one HTML file that holds its pictures, its style and a short script, and loads nothing.

Every string from outside goes through `html.escape`, and the policy of `frame` lets the page load nothing
but what it carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from burnish.core.files import write_text
from burnish.report import slider, tables, words
from burnish.report.costs import cost_table
from burnish.report.data import ReportData
from burnish.report.forest import forest
from burnish.report.frame import document
from burnish.report.pareto import CSS as PARETO_CSS
from burnish.report.pareto import pareto
from burnish.report.plot import CSS as PLOT_CSS
from burnish.report.slices import slices
from burnish.report.style import CSS


def write_report(path: Path, data: ReportData) -> None:
    """Writes the page, whole or not at all; raises OSError, or ValueError for an array that is no picture."""
    write_text(path, page(data))


def page(data: ReportData) -> str:
    """The page as text; see `write_report`. What there is nothing to say of is left out."""
    found = {name: content for name, content in _sections(data).items() if content}
    sections = "\n".join(
        f'<section id="{_anchor(name)}">\n<h2>{name}</h2>\n{content}\n</section>'
        for name, content in found.items()
    )
    body = f"""<a class="skip" href="#main">Skip to the verdict</a>
<main id="main">
<h1>{escape(data.title)}</h1>
{_verdict(data)}
{_contents(found)}
{sections}
</main>"""
    script = slider.SCRIPT if data.rows or data.worst else ""
    return document(f"{data.verdict.outcome}: {data.title}", body, CSS + PLOT_CSS + PARETO_CSS, script)


def _sections(data: ReportData) -> dict[str, str]:
    said = data.verdict
    return {
        "Pictures": slider.rows(data.rows),
        "Checks": forest(said.checks) + tables.checks(said.checks),
        "Slices": slices(said.slices),
        "Worst pairs": slider.worst(data.worst),
        "Watched": tables.watched(said.watched),
        "Controls": tables.controls(said.controls),
        "Cost and quality": cost_table(data),
        "Plans explored": pareto(data.explored, data.levers),
        "Candidates tried": tables.candidates(data.candidates),
        "For information": tables.advisory(said.advisory),
        "Method": "\n".join(f"<p>{escape(sentence)}</p>" for sentence in data.method),
        "Provenance": tables.provenance(data.provenance),
    }


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _contents(found: Mapping[str, str]) -> str:
    links = "".join(f'<li><a href="#{_anchor(name)}">{name}</a></li>' for name in found)
    return f'<nav aria-label="Sections"><ul>{links}</ul></nav>'


def _verdict(data: ReportData) -> str:
    before, after = data.original.measurement, data.optimized.measurement
    facts = {
        "for an image": words.ratio(before.latency_s, after.latency_s, "faster", "slower"),
        "memory at peak": words.ratio(before.peak_mib, after.peak_mib, "less", "more"),
        "on disk": words.ratio(before.disk_mib, after.disk_mib, "smaller", "larger"),
    }
    shown = "".join(f"<li><strong>{v}</strong> <span>{k}</span></li>" for k, v in facts.items() if v)
    alarms = words.alarms(data.verdict)
    return f"""<section class="verdict {data.verdict.outcome.lower()}" aria-label="Verdict">
<p class="badge">{tables.badge(data.verdict.outcome)}, floor: {escape(data.verdict.floor)}</p>
<p class="say">{escape(words.sentence(data.verdict))}</p>
<p>{escape(words.meaning(data.verdict))}</p>
{f"<p>{escape(alarms)}</p>" if alarms else ""}
{f'<ul class="facts">{shown}</ul>' if shown else ""}
</section>"""
