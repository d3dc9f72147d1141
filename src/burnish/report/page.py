"""The report: one HTML file that holds its pictures and its style, and loads nothing.

Every string from outside goes through `html.escape`, and a content security policy lets the page load
nothing but what it carries, so that a hostile prompt stays text even where an escape were forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from burnish.core.evidence import Check, Measurement
from burnish.core.files import write_text
from burnish.core.units import show_mib, show_seconds
from burnish.report import words
from burnish.report.data import Candidate, ReportData, Row
from burnish.report.forest import forest
from burnish.report.picture import Picture, data_uri
from burnish.report.style import CSS

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SMALL = 128  # pixels; smaller pictures are enlarged without smoothing


def write_report(path: Path, data: ReportData) -> None:
    """Writes the page, whole or not at all; raises OSError, or ValueError for an array that is no picture."""
    write_text(path, page(data))


def page(data: ReportData) -> str:
    """The page as text; see `write_report`."""
    sections = {
        "Pictures": _pictures(data.rows),
        "Cost and quality": _cost(data),
        "Checks": forest(data.verdict.checks) + _checks(data.verdict.checks, CHECKS_CAPTION),
        "Controls": _checks(data.verdict.controls, CONTROLS_CAPTION),
        "Candidates tried": _candidates(data.candidates),
        "For information": _advisory(data.verdict.advisory),
        "Provenance": _provenance(data.provenance),
    }
    body = "\n".join(f"<h2>{name}</h2>\n{content}" for name, content in sections.items() if content)
    title = escape(data.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{data.verdict.outcome}: {title}</title>
<style>{CSS}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the verdict</a>
<main id="main">
<h1>{title}</h1>
{_verdict(data)}
{body}
</main>
</body>
</html>
"""


CHECKS_CAPTION = (
    "What the gate measured, prompt by prompt on the same seeds. Intervals hold 90 %, so that each end alone "
    "is sure to 95 %."
)
CONTROLS_CAPTION = (
    "The same gate on pictures whose answer is known. Where one comes out otherwise, the verdict is withheld."
)


def _verdict(data: ReportData) -> str:
    before, after = data.original.measurement, data.optimized.measurement
    facts = {
        "for an image": words.ratio(before.latency_s, after.latency_s, "faster", "slower"),
        "memory at peak": words.ratio(before.peak_mib, after.peak_mib, "less", "more"),
        "on disk": words.ratio(before.disk_mib, after.disk_mib, "smaller", "larger"),
    }
    shown = "".join(f"<li><strong>{v}</strong> <span>{k}</span></li>" for k, v in facts.items() if v)
    return f"""<section class="verdict {data.verdict.outcome.lower()}" aria-label="Verdict">
<p class="badge">{_outcome(data.verdict.outcome)}, floor: {escape(data.verdict.floor)}</p>
<p class="say">{escape(words.sentence(data.verdict))}</p>
<p>{escape(words.meaning(data.verdict))}</p>
{f'<ul class="facts">{shown}</ul>' if shown else ""}
</section>"""


def _pictures(rows: Sequence[Row]) -> str:
    cells = [
        (
            escape(row.prompt) or "(no prompt)",
            _image(row.original, f"Original: {row.prompt or 'no prompt'}"),
            _image(row.optimized, f"Optimized: {row.prompt or 'no prompt'}"),
        )
        for row in rows
    ]
    caption = "Each row is one prompt, drawn by both models from the same noise."
    return _table("sheet", caption, ("Prompt", "Original", "Optimized"), cells)


def _image(picture: Picture, alt: str) -> str:
    height, width = picture.shape[:2]
    small = ' class="small"' if width < SMALL else ""
    size = f'width="{width}" height="{height}"'
    return f'<img{small} {size} alt="{escape(alt)}" src="{data_uri(picture)}">'


def _cost(data: ReportData) -> str:
    original, optimized = data.original, data.optimized
    rows: list[tuple[str, ...]] = [
        ("Model", escape(original.name), escape(optimized.name), ""),
        ("Plan", escape(original.plan.describe()), escape(optimized.plan.describe()), ""),
    ]
    for label, field, show, less, more in COSTS:
        a, b = (float(getattr(side.measurement, field)) for side in (original, optimized))
        shown = (show(x) if x else "not measured" for x in (a, b))
        rows.append((label, *shown, words.ratio(a, b, less, more)))
    rows += [(escape(c.metric), "reference", escape(words.span(c)), "") for c in data.verdict.checks]
    rows.append(("Verdict", "reference", _outcome(data.verdict.outcome), ""))
    batch = _batch(original.measurement, optimized.measurement)
    caption = f"Per image{batch}; quality with its interval."
    return _table("cost", caption, ("", "Original", "Optimized", "Change"), rows)


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


def _batch(a: Measurement, b: Measurement) -> str:
    return f", in batches of {a.batch}" if a.batch == b.batch else f", batches of {a.batch} and {b.batch}"


def _checks(checks: Sequence[Check], caption: str) -> str:
    rows = [
        (
            escape(check.metric),
            _outcome(check.outcome) + _needed(check),
            escape(words.span(check)) if check.interval.n else "not measured",
            escape(words.bound(check)) if check.interval.n else "",
            str(check.interval.n),
            escape(check.why),
        )
        for check in checks
    ]
    heads = ("Check", "Outcome", "Mean (interval)", "Bound", "Prompts", "Why")
    return _table("checks", caption, heads, rows)


def _needed(check: Check) -> str:
    return f"<br>about {check.prompts_to_decide:,} prompts decide" if check.prompts_to_decide else ""


def _candidates(candidates: Sequence[Candidate]) -> str:
    rows = [
        (escape(c.description), str(c.passes), show_seconds(c.latency_s), _outcome(c.outcome))
        for c in candidates
    ]
    heads = ("Plan", "Denoiser passes", "Time for an image", "Outcome")
    return _table("candidates", "What the search weighed, the chosen plan among them.", heads, rows)


def _advisory(advisory: dict[str, float]) -> str:
    rows = [(escape(name), words.quantity(value, "")) for name, value in advisory.items()]
    return _table("advisory", "Over all pictures. They decide nothing.", ("Metric", "Value"), rows)


def _provenance(provenance: dict[str, str]) -> str:
    rows = [(escape(name), escape(text)) for name, text in provenance.items()]
    caption = "What this page speaks of, and on what it was measured."
    return _table("provenance", caption, ("What", "Value"), rows)


def _outcome(text: str) -> str:
    """An outcome as a badge, its sign beside its word so that colour is never alone; other text as it is."""
    sign = words.SIGN.get(text)
    return f'<span class="badge {text.lower()}">{sign} {text}</span>' if sign else escape(text)


def _table(kind: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column are row headings; cells are HTML already. "" without rows."""
    lines = [
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    ]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in heads)
    return f"""<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">
<table class="{kind}">
<caption>{escape(caption)}</caption>
<thead><tr>{head}</tr></thead>
<tbody>
{chr(10).join(lines)}
</tbody>
</table>
</div>"""
