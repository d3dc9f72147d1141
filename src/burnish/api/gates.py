"""The gate as a verb: a verdict, what is written beside it, and how many prompts it would take."""

from __future__ import annotations

from pathlib import Path

from burnish.api.gate_report import write_gate_report
from burnish.api.verdicts import Question, answer, open_question
from burnish.core.errors import SuiteError
from burnish.core.evidence import Planned, Suite, Verdict
from burnish.core.files import write_text
from burnish.core.plan import Floor
from burnish.measure.arena import Report, make_arena
from burnish.measure.checks import BROKEN_BOUND, NEWLY_BROKEN, slice_bound
from burnish.measure.draw import draw_part
from burnish.measure.gate import FLOORS
from burnish.measure.interval import POWER
from burnish.measure.margin import Margin
from burnish.measure.pictures import Values
from burnish.measure.planning import planned_prompts, planned_rate_prompts, power_of_each
from burnish.measure.rules import Rule
from burnish.measure.units import by_unit, evenly, number_units
from burnish.report.junit import junit

PILOT = 24  # selection prompts at most


def gate(
    bundle: Path,
    against: str | Path,
    *,
    floor: Floor = "equivalent",
    suite: Suite | None = None,
    judge: Path | None = None,
    features: Path | None = None,
    margin: Margin | None = None,
    directory: Path | None = None,
    report: Report = lambda what, fraction: None,
) -> Verdict:
    """Whether `bundle` is as good as `against` (a bundle, or a model with its default plan).

    On the confirmation prompts of the suite, with all controls. `features` is a directory whose encoder sees
    distances instead of the judge. `directory` gets verdict.json, junit.xml and report.html. Raises
    BundleError, ModelError, SuiteError, OSError.
    """
    asked = open_question(
        bundle, against, floor=floor, suite=suite, judge=judge, features=features, margin=margin
    )
    return decide(asked, directory, report)


def decide(
    asked: Question, directory: Path | None = None, report: Report = lambda what, fraction: None
) -> Verdict:
    """The verdict on an opened question, and where `directory` is given, everything that is written.

    What else lies there stays.
    """
    if directory is not None and directory.exists() and not directory.is_dir():
        raise SuiteError(f"{directory} is a file", "Give a folder")
    found = answer(asked, report)
    if directory is not None:
        report("writing the report", 0.95)
        found.verdict.save(directory / "verdict.json")
        write_text(directory / "junit.xml", junit(found.verdict, asked.names[0]))
        write_gate_report(directory / "report.html", found, *asked.names)
    return found.verdict


def pilot(asked: Question, report: Report = lambda what, fraction: None) -> Planned:
    """How many prompts would decide, from a few of the selection's, which the verdict never sees.

    For a candidate as good as its reference (`faithful`: as near as the pilot's): `planned_prompts` on the
    spread of the pilot's differences. A slice's is that of the whole, since a pilot has too few of each.
    Raises SuiteError below two prompts.
    """
    chosen = asked.suite.selection
    if len(chosen) < 2:
        raise SuiteError(f"{len(chosen)} selection prompts are no pilot", "Use ten prompts or more")
    which = evenly(len(chosen), PILOT)
    few = asked.suite.model_copy(update={"selection": tuple(chosen[k] for k in which)})
    arena = make_arena(few, "selection", asked.eyes, asked.floor, asked.reference, report, asked.margin)
    scores = arena.score(draw_part(asked.candidate, few, "selection"))
    units = number_units([p.unit for p in arena.prompts])
    rules = FLOORS[asked.floor](scores, arena.scores, arena.limits)

    def needed(rule: Rule, values: Values, bound: float, power: float = POWER) -> int:
        each = by_unit(values, units)
        true = 0.0 if asked.floor == "equivalent" else float(each.mean())
        return planned_prompts(each, bound, rule.direction, true, power=power)

    asked_for = {NEWLY_BROKEN: planned_rate_prompts(BROKEN_BOUND)}
    asked_for |= {rule.label: needed(rule, values + moved, rule.bound) for rule, values, moved in rules}
    rule, values, _ = rules[0]
    slices = _units_by_tag(asked.suite)
    power = power_of_each(len(slices))
    bound = slice_bound(rule, arena.limits.slice_factor)
    there = dict.fromkeys(asked_for, len({p.unit for p in asked.suite.confirmation})) | slices
    asked_for |= {tag: needed(rule, values, bound, power) for tag in slices}
    return Planned(floor=asked.floor, pilot=len(which), needed=asked_for, there=there)


def _units_by_tag(suite: Suite) -> dict[str, int]:
    tags = sorted({tag for p in suite.confirmation for tag in p.tags})
    return {tag: len({p.unit for p in suite.confirmation if tag in p.tags}) for tag in tags}
