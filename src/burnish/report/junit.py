"""A verdict as JUnit XML, the report that build servers read.

Of what the format's readers agree on: one `testsuite` with `tests`, `failures`, `errors` and `skipped`, and a
`testcase` each with `classname` and `name`. A FAIL is a `failure`. An INCONCLUSIVE is an `error`, because
"nobody knows" must not be shown green, and `skipped` is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from burnish.core.evidence import Check, Outcome, Verdict
from burnish.report import words

# What XML 1.0 cannot hold, however it is escaped (section 2.2, production Char).
ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAG: dict[Outcome, str] = {"FAIL": "failure", "INCONCLUSIVE": "error"}


class Case(NamedTuple):
    """One testcase: the part of the verdict, its name, how it came out, and what there is to say."""

    part: str
    name: str
    outcome: Outcome
    message: str


def junit(verdict: Verdict, name: str) -> str:
    """One testsuite called `name`, with a testcase for each check, each slice and each control.

    A control passes where it came out as it must, which for planted damage is FAIL; one that does not say
    what it must come out as is an error. What is watched decides nothing and is no testcase. Where the
    verdict is no PASS and yet every case passes, the verdict is a case of its own, so that only a PASS is
    green. Characters that XML 1.0 cannot hold become U+FFFD.
    """
    cases = list(_cases(verdict))
    if verdict.outcome != "PASS" and all(case.outcome == "PASS" for case in cases):
        cases.append(Case("verdict", verdict.floor, verdict.outcome, words.sentence(verdict)))
    counts = {
        plural: str(sum(case.outcome == outcome for case in cases))
        for plural, outcome in (("failures", "FAIL"), ("errors", "INCONCLUSIVE"))
    }
    suite = Element(
        "testsuite", name=_safe(name), tests=str(len(cases)), skipped="0", time="0", attrib=counts
    )
    for case in cases:
        _add(suite, case, name)
    indent(suite)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suite, encoding="unicode")}\n'


def _cases(verdict: Verdict) -> Iterator[Case]:
    for part, checks in (("checks", verdict.checks), ("slices", verdict.slices)):
        for check in checks:
            yield Case(part, check.metric, check.outcome, _told(check))
    for control in verdict.controls:
        yield Case("controls", control.metric, _of_control(control), f"{control.outcome}: {control.why}")


def _of_control(control: Check) -> Outcome:
    expected = words.expected(control)
    if not expected or control.interval.n == 0:
        return "INCONCLUSIVE"
    return "PASS" if control.outcome == expected else "FAIL"


def _told(check: Check) -> str:
    needed = f"; about {check.prompts_to_decide:,} prompts decide" if check.prompts_to_decide else ""
    return f"{words.span(check)}, {words.bound(check)}{needed}: {check.why}"


def _add(suite: Element, case: Case, name: str) -> None:
    made = SubElement(
        suite, "testcase", classname=_safe(f"{name}.{case.part}"), name=_safe(case.name), time="0"
    )
    if case.outcome in TAG:
        SubElement(made, TAG[case.outcome], message=_safe(case.message), type=case.outcome)


def _safe(text: str) -> str:
    return ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
