"""The rival: the reference with fewer calls, at the candidate's cost. What anybody gets for nothing."""

from __future__ import annotations

from typing import NamedTuple

from burnish.core.evidence import Check
from burnish.core.program import Program
from burnish.measure.arena import Arena, Report
from burnish.measure.checks import worst
from burnish.measure.controls import spread
from burnish.measure.draw import draw_part
from burnish.program.shorten import fewer_calls


class Rival(NamedTuple):
    """The reference with the calls that a candidate's time pays for, and the check that decides on it."""

    program: Program
    check: Check


def rival(arena: Arena, share: float, report: Report) -> Rival | None:
    """The reference in `share` of its time, judged on as many prompts as controls are.

    A cleverer plan has to be better than this. None where the table draws fresh noise, or nothing is saved.
    """
    program = arena.reference.program
    calls = max(1, int(share * program.calls))
    if program.stochastic or calls >= program.calls:
        return None
    shorter = fewer_calls(program, calls)
    part = arena.of(spread(arena.prompts))
    report(f"the original with {calls} calls", 0.0)
    drawn = draw_part(arena.reference.with_program(shorter), part.suite, part.part)
    checks = part.checks(part.score(drawn))
    decisive = next(c for c in checks if c.outcome == worst(checks))
    name = f"the original with {calls} calls, at the same cost: {decisive.metric}"
    return Rival(shorter, decisive.model_copy(update={"metric": name}))
