"""A forest plot of many slices: a compact row each, the worst first, on a common scale where units agree."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from html import escape

from burnish.core.evidence import Check, Outcome
from burnish.report import words
from burnish.report.forest import ROOM, Scale, head_piece, piece
from burnish.report.tables import badge, table

WIDE = 4.0  # times the median reach of an interval: what reaches farther is cut, and an arrow says so
ORDER: dict[Outcome, int] = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}
HEADS = ("Outcome", "Mean (interval)", "Prompts", "Bound")


def slices(found: Sequence[Check]) -> str:
    """One table for each unit and direction, that with the worst slice first; "" where there is no slice."""
    ranked = sorted(found, key=lambda c: (ORDER[c.outcome], words.ahead(c, c.interval.mean)))
    groups: dict[tuple[str, str], list[Check]] = {}
    for check in ranked:
        groups.setdefault((check.unit, check.direction), []).append(check)
    return "\n".join(map(_table, groups.values()))


def _table(group: Sequence[Check]) -> str:
    scale = _scale(group)
    rows = [
        (
            f"<bdi>{escape(check.metric)}</bdi>",
            piece(check, scale),
            badge(check.outcome),
            escape(words.span(check)) if check.interval.n else "not measured",
            _prompts(check),
            escape(_bound(check)),
        )
        for check in group
    ]
    heads = ("Slice", f'<span class="unseen">Interval, drawn</span>{head_piece(scale)}', *HEADS)
    bounds = {_bound(check) for check in group}
    if len(bounds) > 1:
        return table("slices", f"{_counted(group)}, each against a bound of its own.", heads, rows)
    caption = f"{_counted(group)}. The bound is {bounds.pop()}."
    return table("slices", caption, heads[:-1], [row[:-1] for row in rows])


def _bound(check: Check) -> str:
    return ", ".join(text for text in (words.bound(check), words.tolerated(check)) if text)


def _prompts(check: Check) -> str:
    needed = f" of about {check.prompts_to_decide:,}" if check.prompts_to_decide else ""
    return f"{check.interval.n}{needed}"


def _counted(group: Sequence[Check]) -> str:
    """Such as "12 slices, the worst first, on one scale: 2 FAIL, 1 INCONCLUSIVE, 9 PASS"."""
    counts = Counter(check.outcome for check in group)
    number = f"{len(group)} slices, the worst first, on one scale" if len(group) > 1 else "1 slice"
    return f"{number}: {', '.join(f'{counts[outcome]} {outcome}' for outcome in ORDER if counts[outcome])}"


def _scale(group: Sequence[Check]) -> Scale:
    """Over all intervals, the bound and, where all bounds agree, no difference; the longest ones cut."""
    ends = [[words.ahead(c, at) for at in (c.interval.low, c.interval.high)] for c in group if c.interval.n]
    reach = WIDE * statistics.median([max(map(abs, pair)) for pair in ends]) if ends else 0.0
    kept = [0.0, *(min(reach, max(-reach, at)) for pair in ends for at in pair)]
    zero = words.ahead(group[0], 0.0) if len({check.bound for check in group}) == 1 else None
    if zero is not None and abs(zero) > reach:
        zero = None
    if zero is not None:
        kept.append(zero)
    low, high = min(kept), max(kept)
    room = ROOM * (high - low) or 1.0
    return Scale(low - room, high + room, zero)
