"""Tables of the page: their frame, and those that list checks, candidates and names with values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from burnish.core.evidence import Check
from burnish.core.units import show_seconds
from burnish.report import words
from burnish.report.data import Candidate

CHECKS_CAPTION = (
    "What the gate measured, prompt by prompt on the same seeds. Intervals hold 90 %, so that each end alone "
    "is sure to 95 %."
)
CONTROLS_CAPTION = (
    "The same gate on pictures whose answer is known. Where one comes out otherwise, the verdict is withheld."
)
WATCHED_CAPTION = (
    "Looked at by name, and deciding nothing. An alarm says that the number is beyond its line with 95 % "
    "confidence."
)
CHECK_HEADS = ("Outcome", "Mean (interval)", "Bound", "Prompts", "Why")


def table(kind: str, caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column are row headings; heads and cells are HTML already. "" without rows.

    It stands in a region that scrolls sideways, by keyboard too.
    """
    lines = [
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    ]
    if not lines:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in heads)
    return f"""<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">
<table class="{kind}">
<caption><span>{escape(caption)}</span></caption>
<thead><tr>{head}</tr></thead>
<tbody>
{chr(10).join(lines)}
</tbody>
</table>
</div>"""


def badge(text: str) -> str:
    """An outcome as a badge, its sign beside its word so that colour is never alone; other text as it is.

    "confirmation: PASS" becomes the text and the badge.
    """
    before, colon, last = text.rpartition(": ")
    sign = words.SIGN.get(last)
    if sign is None:
        return escape(text)
    return f"{escape(before + colon)}{toned(last.lower(), f'{sign} {last}')}"


def toned(tone: str, text: str) -> str:
    """Text in the colour of an outcome: "pass", "fail" or "inconclusive"."""
    return f'<span class="badge {tone}">{escape(text)}</span>'


def checks(found: Sequence[Check]) -> str:
    """The checks that decide."""
    return table("checks", CHECKS_CAPTION, ("Check", *CHECK_HEADS), map(_check, found))


def controls(found: Sequence[Check]) -> str:
    """The controls: the colour says whether each came out as it must, which may well be FAIL."""
    rows = ((*_check(c)[:1], _control(c), *_check(c)[2:]) for c in found)
    return table("checks", CONTROLS_CAPTION, ("Control", *CHECK_HEADS), rows)


def watched(found: Sequence[Check]) -> str:
    """What is watched, in words: an alarm, none, or unclear."""
    rows = (
        (*_check(c)[:1], toned(c.outcome.lower(), words.ALARM[c.outcome]) + _needed(c), *_check(c)[2:])
        for c in found
    )
    return table("checks", WATCHED_CAPTION, ("Watched", "Alarm", *CHECK_HEADS[1:]), rows)


def _check(check: Check) -> tuple[str, ...]:
    measured = check.interval.n > 0
    bound = "<br>".join(escape(t) for t in (words.bound(check), words.tolerated(check)) if t)
    return (
        escape(check.metric),
        badge(check.outcome) + _needed(check),
        escape(words.span(check)) if measured else "not measured",
        bound if measured else "",
        str(check.interval.n),
        escape(check.why),
    )


def _control(check: Check) -> str:
    expected = words.expected(check)
    if not expected or check.interval.n == 0:
        return badge(check.outcome)
    if expected == check.outcome:
        return toned("pass", f"✓ {check.outcome}, as it must")
    return toned("fail", f"✗ {check.outcome}, not {expected}")


def _needed(check: Check) -> str:
    return f"<br>about {check.prompts_to_decide:,} prompts decide" if check.prompts_to_decide else ""


def candidates(tried: Sequence[Candidate]) -> str:
    """The plans that the search weighed."""
    rows = (
        (escape(c.description), str(c.passes), show_seconds(c.latency_s), badge(c.outcome)) for c in tried
    )
    heads = ("Plan", "Denoiser passes", "Time for an image", "Outcome")
    return table("candidates", "What the search weighed, the chosen plan among them.", heads, rows)


def advisory(values: Mapping[str, float]) -> str:
    """Numbers that decide nothing."""
    rows = ((escape(name), words.quantity(value, "")) for name, value in values.items())
    return table("advisory", "Over all pictures. They decide nothing.", ("Metric", "Value"), rows)


def provenance(texts: Mapping[str, str]) -> str:
    """Where the numbers come from."""
    rows = ((escape(name), escape(text)) for name, text in texts.items())
    caption = "What this page speaks of, and on what it was measured."
    return table("provenance", caption, ("What", "Value"), rows)
