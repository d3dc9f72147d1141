"""JUnit XML: read back by another parser, counted rightly, and red wherever there is no PASS."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from burnish.core.evidence import Check, Interval, Verdict
from burnish.report.junit import junit
from tests.report import realistic
from tests.report.realistic import check

HOSTILE = "\x00\x08\x1b\x0b\ufffe]]><failure/>&\"'<!-- -->\U0001f600\ttab\nline"


def read(text: str) -> ElementTree.Element:
    """The suite, as a build server's parser reads it from bytes."""
    return ElementTree.fromstring(text.encode())  # noqa: S314 - written by the function under test


def passing(**change: object) -> Verdict:
    """A PASS of one check, with controls that behave."""
    values: dict[str, object] = {
        "floor": "equivalent",
        "outcome": "PASS",
        "checks": (check("alignment", 0.1, 0.3, "PASS"),),
        "controls": (
            check("itself", 0.0, 0.3, "PASS", why="must PASS, and does"),
            check("ruined", -9.0, 0.3, "FAIL", why="must FAIL, and does"),
        ),
    }
    return Verdict(**(values | change))


def test_there_is_a_case_for_each_check_slice_and_control() -> None:
    """The counts of the suite are those of its cases; what is watched is no case."""
    said = realistic.verdict()
    suite = read(junit(said, "icons"))
    cases = suite.findall("testcase")
    assert suite.tag == "testsuite"
    assert suite.get("name") == "icons"
    assert len(cases) == int(suite.get("tests")) == 2 + 21 + 3
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == 7 + 1
    assert int(suite.get("errors")) == len(suite.findall("testcase/error")) == 9
    assert suite.get("skipped") == "0"
    assert {case.get("classname") for case in cases} == {"icons.checks", "icons.slices", "icons.controls"}
    named = [c.metric for c in (*said.checks, *said.slices, *said.controls)]
    assert [case.get("name") for case in cases] == named
    assert all({"classname", "name", "time"} == set(case.keys()) for case in cases)


def test_a_pass_is_green_though_planted_damage_fails() -> None:
    """A control that must FAIL and does is a case that passes."""
    suite = read(junit(passing(), "x"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "0", "0")
    assert all(len(case) == 0 for case in suite)


@pytest.mark.parametrize(
    ("control", "tag"),
    [
        (
            check("ruined", 0, 1, "PASS", why="must FAIL, but the gate says PASS: no verdict follows"),
            "failure",
        ),
        (check("itself", 0, 1, "INCONCLUSIVE", why="must PASS, but the gate says INCONCLUSIVE"), "failure"),
        (check("itself", 0, 1, "PASS", why="for no reason given"), "error"),
        (
            check(
                "planted damage",
                0,
                0,
                "INCONCLUSIVE",
                why="must FAIL, but none was given",
                interval=Interval(mean=0, low=0, high=0, n=0),
            ),
            "error",
        ),
    ],
)
def test_a_control_that_does_not_come_out_as_it_must_is_red(control: Check, tag: str) -> None:
    """Let-through damage and a stopped original are failures; what was not tried is an error."""
    suite = read(junit(passing(outcome="INCONCLUSIVE", controls=(control,)), "x"))
    assert [child.tag for child in suite.findall("testcase")[1]] == [tag]


@pytest.mark.parametrize(("outcome", "tag"), [("PASS", None), ("FAIL", "failure"), ("INCONCLUSIVE", "error")])
def test_outcomes_have_their_tag_type_and_message(outcome: str, tag: str | None) -> None:
    """A message holds the numbers and the reason; INCONCLUSIVE is an error, so that it is not green."""
    judged = check("alignment", -0.4, 0.6, outcome, prompts_to_decide=1234 * (outcome == "INCONCLUSIVE"))
    (case, *_) = read(junit(passing(outcome=outcome, checks=(judged,)), "x"))
    assert [child.tag for child in case] == ([tag] if tag else [])
    for child in case:
        assert child.get("type") == outcome
        assert "−0.4 (−1.0 to 0.2)\N{NO-BREAK SPACE}points, at least −1.81" in child.get("message")
        assert judged.why in child.get("message")
        assert ("1,234 prompts decide" in child.get("message")) == (outcome == "INCONCLUSIVE")


@pytest.mark.parametrize("outcome", ["FAIL", "INCONCLUSIVE"])
def test_only_a_pass_is_green(outcome: str) -> None:
    """Where nothing else is red and the verdict is no PASS, the verdict is a case of its own."""
    suite = read(junit(passing(outcome=outcome, controls=()), "x"))
    assert int(suite.get("failures")) + int(suite.get("errors")) == 1
    assert suite.findall("testcase")[-1].get("classname") == "x.verdict"


def test_hostile_text_is_read_back_as_text() -> None:
    """Control characters become U+FFFD, markup stays text, and the file is XML 1.0."""
    bad = check(HOSTILE, -9, 1, "FAIL", why=HOSTILE)
    suite = read(junit(passing(outcome="FAIL", checks=(bad,)), HOSTILE))
    safe = "\N{REPLACEMENT CHARACTER}" * 5 + HOSTILE[5:]
    assert suite.get("name") == safe
    assert suite[0].get("name") == safe
    assert suite[0][0].get("message").endswith(safe)
    assert len(suite.findall(".//failure")) == 1
