"""The sections of the page: in order, true to the values they are written from, and of bounded size."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from burnish.core.evidence import Check, Interval, Measurement, Verdict
from burnish.report import words
from burnish.report.costs import cost_table
from burnish.report.data import Candidate, Row
from burnish.report.page import page
from burnish.report.slices import slices
from burnish.report.tables import watched
from tests.report import realistic
from tests.report.realistic import check, picture

NBSP = "\N{NO-BREAK SPACE}"


def text_of(html: str) -> list[str]:
    """The cells of every table row, without tags."""
    rows = re.findall(r"<tr>(.*?)</tr>", html.replace(NBSP, " "), re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [" | ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", "", cell) for cell in row) for row in cells]


def at(mean: float, low: float, high: float) -> Interval:
    """An interval over ninety prompts."""
    return Interval(mean=mean, low=low, high=high, n=90)


def a_slice(name: str, interval: Interval, outcome: str, **change: object) -> Check:
    """A slice whose bound is one point of loss, or what `change` says."""
    return check(name, 0, 0, outcome, **({"interval": interval, "bound": -1.0} | change))


def test_sections_come_in_the_order_in_which_a_reader_asks() -> None:
    """What was found first, then the pictures, why, what it costs, and how it was measured."""
    found = page(realistic.report())
    assert re.findall(r"<h2>(.*?)</h2>", found) == [
        "Pictures",
        "Checks",
        "Slices",
        "Worst pairs",
        "Watched",
        "Controls",
        "Cost and quality",
        "Candidates tried",
        "For information",
        "Method",
        "Provenance",
    ]
    assert found.index('aria-label="Verdict"') < found.index("<h2>")
    anchors = re.findall(r'<section id="([^"]+)">', found)
    assert re.findall(r'<li><a href="#([^"]+)">', found) == anchors


def test_slices_are_sorted_the_worst_first() -> None:
    """A FAIL before an INCONCLUSIVE before a PASS, and within each the smaller mean first."""
    found = [
        a_slice("fine", at(0.0, -0.5, 0.5), "PASS"),
        a_slice("open", at(-6.0, -13.0, 1.0), "INCONCLUSIVE"),
        a_slice("bad", at(-3.0, -4.0, -2.0), "FAIL"),
        a_slice("worse", at(-5.0, -6.0, -4.0), "FAIL"),
        a_slice("near", at(-0.2, -0.9, 0.5), "PASS"),
    ]
    names = [row.split(" | ")[0] for row in text_of(slices(found))[1:]]
    assert names == ["worse", "bad", "open", "near", "fine"]
    assert "5 slices, the worst first, on one scale: 2 FAIL, 1 INCONCLUSIVE, 2 PASS." in slices(found)


@pytest.mark.parametrize("sign", [1, -1])
def test_slices_of_one_unit_share_a_scale_and_a_line_of_the_bound(sign: int) -> None:
    """Equal steps are equal lengths in all rows; good is right of the line whatever the direction."""
    side = {"direction": "higher" if sign > 0 else "lower", "bound": -1.0 * sign}
    ends = {"a": (-5.0, -3.0), "b": (-2.0, 0.0), "c": (0.0, 1.0)}
    outcomes = ("FAIL", "INCONCLUSIVE", "PASS")
    found = [
        a_slice(name, at(sign * sum(pair) / 2, *sorted(sign * x for x in pair)), outcome, **side)
        for (name, pair), outcome in zip(ends.items(), outcomes, strict=True)
    ]
    html = slices(found)
    lines = {float(x) for x in re.findall(r'class="bound" x1="([\d.]+)"', html)}
    spans = [
        tuple(map(float, pair)) for pair in re.findall(r'class="span" d="M([\d.]+) [\d.]+H([\d.]+)"', html)
    ]
    (line,) = lines
    unit = (spans[2][1] - spans[2][0]) / 1.0
    assert [right - left for left, right in spans] == pytest.approx([2 * unit, 2 * unit, unit], abs=0.2)
    assert spans[0][1] < line < spans[2][0]
    assert spans[1][0] < line < spans[1][1]
    assert line - spans[1][0] == pytest.approx(unit, abs=0.2)  # two points of loss lie one left of the bound


def test_slices_of_other_units_stand_in_a_table_of_their_own() -> None:
    """Points and shares have no common scale."""
    share = a_slice("rare", at(0.01, 0.0, 0.04), "PASS", unit="share", bound=0.05, direction="lower")
    found = [a_slice("a", at(0.0, -0.5, 0.5), "PASS"), share, a_slice("b", at(0.1, -0.5, 0.7), "PASS")]
    html = slices(found)
    assert html.count("<table") == 2
    assert "2 slices" in html
    assert f"The bound is at most 5{NBSP}%." in html


def test_a_slice_far_wider_than_the_others_does_not_flatten_them() -> None:
    """It is cut where the scale ends, an arrow says so, and its numbers are whole."""
    found = [a_slice(str(k), at(0.0, -0.5, 0.5), "PASS") for k in range(5)]
    html = slices([*found, a_slice("tiny", at(-10, -300.0, 280.0), "INCONCLUSIVE")])
    assert html.count('class="arrow"') == 2
    assert "−10 (−300 to 280) points" in html.replace(NBSP, " ")
    spans = [float(b) - float(a) for a, b in re.findall(r'"span" d="M([\d.]+) [\d.]+H([\d.]+)"', html)]
    assert min(spans) > 0.05 * max(spans)
    assert slices(found).count('class="arrow"') == 0


def test_slices_with_bounds_of_their_own_say_them() -> None:
    """Where bounds differ there is a column for them, and no line for no difference."""
    found = [
        a_slice("a", at(0, -0.5, 0.5), "PASS", tolerated=-2.0),
        a_slice("b", at(0, -0.5, 0.5), "PASS", bound=-3.0),
    ]
    rows = text_of(slices(found))
    assert rows[0].endswith("Outcome | Mean (interval) | Prompts | Bound")
    assert "at least −1 points, FAIL below −2 points" in rows[1]
    assert 'class="zero"' not in slices(found)
    assert 'class="tolerated"' in slices(found)


def test_a_failed_slice_is_in_the_sentence() -> None:
    """The first three by name and the number of the rest, whether checks failed too or not."""
    bad = [a_slice(f"s{k}", at(-3, -4, -2), "FAIL") for k in range(5)]
    fine = a_slice("fine", at(0, -0.5, 0.5), "PASS")
    base = {"floor": "equivalent", "outcome": "FAIL", "prompts": 9, "seeds": 2}
    only = Verdict(**base, checks=(check("alignment", 0, 0.5, "PASS"),), slices=(*bad, fine))
    both = Verdict(**base, checks=(check("alignment", -4, 0.5, "FAIL"),), slices=(bad[0], fine))
    neither = Verdict(**base, checks=(check("alignment", 0, 0.5, "PASS"),))
    assert words.sentence(only).endswith(
        "5 of 6 slices (s0, s1, s2 and 2 more) are on the wrong side of the bound."
    )
    assert words.sentence(both).endswith(
        "alignment is on the wrong side of the bound, and so is 1 of 2 slices (s0)."
    )
    assert words.sentence(neither).endswith("are not as good as the original's.")
    assert "check or slice" in words.meaning(only)


def test_an_open_slice_leaves_the_verdict_open_not_withheld() -> None:
    """The controls are blamed only where checks and slices all decided."""
    open_one = a_slice("rare", at(-1, -2, 0), "INCONCLUSIVE", prompts_to_decide=700)
    said = Verdict(
        floor="equivalent",
        outcome="INCONCLUSIVE",
        checks=(check("alignment", 0, 0.5, "PASS"),),
        slices=(open_one,),
    )
    assert not words.withheld(said)
    assert "about 700 prompts would" in words.sentence(said)
    assert words.withheld(said.model_copy(update={"slices": ()}))


def test_at_most_twelve_pairs_and_twenty_worst_are_carried() -> None:
    """A page stays of bounded size, and says how many there were."""
    row = Row("x", picture(1), picture(2), "alignment −3.0 points")
    few = page(replace(realistic.report(), rows=[row] * 5, worst=[row] * 5))
    many = page(replace(realistic.report(), rows=[row] * 40, worst=[row] * 50))
    assert few.count("<img") == 20
    assert many.count("<img") == 2 * (12 + 20)
    assert "12 of 40 are shown." in many
    assert "20 of 50 are shown." in many
    assert "are shown" not in few


def test_worst_pairs_are_ranked_and_say_what_is_wrong() -> None:
    """They come as given, in an ordered list, each with its note."""
    found = page(realistic.report())
    section = found[found.index('id="worst-pairs"') : found.index('id="watched"')]
    notes = re.findall(r'<strong class="note">(.*?)</strong>', section)
    assert section.count("<ol") == 1
    assert notes == [row.note for row in realistic.report().worst]


def test_pictures_of_two_sizes_do_not_slide() -> None:
    """They stand side by side; what cannot lie on each other has no slider."""
    rows = [Row("x", picture(1), picture(1, size=32)), Row("y", picture(1), picture(2))]
    found = page(replace(realistic.report(), rows=rows, worst=()))
    assert found.count("<img") == 4
    assert found.count('<input type="range"') == found.count('class="pair slides"') == 1


def test_what_is_watched_is_said_in_words() -> None:
    """An alarm, none, or unclear; and the card counts them."""
    rows = text_of(watched(realistic.verdict().watched))[1:]
    assert [row.split(" | ")[1] for row in rows] == ["! Alarm", "? Unclear", "✓ No alarm"]
    assert "Of 3 watched numbers, 1 raises an alarm, 1 is unclear" in page(realistic.report())
    quiet = realistic.verdict().model_copy(update={"watched": realistic.verdict().watched[2:]})
    assert words.alarms(quiet) == "Of 1 watched number, none raises an alarm."
    assert words.alarms(quiet.model_copy(update={"watched": ()})) == ""


def energy_row(before: tuple[float, str], after: tuple[float, str]) -> str:
    """The row of the cost table."""
    sides = [Measurement(bundle="b", energy_j=j, energy_from=source) for j, source in (before, after)]
    data = realistic.report()
    original, optimized = (
        replace(side, measurement=m) for side, m in zip((data.original, data.optimized), sides, strict=True)
    )
    html = cost_table(replace(data, original=original, optimized=optimized, candidates=()))
    return next(row for row in text_of(html) if row.startswith("Energy for an image"))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((20.0, "RAPL"), (5.0, "RAPL"), "20 JRAPL | 5 JRAPL | 4 × less"),
        ((1500.0, "estimated: x"), (5.0, "estimated: x"), "1.5 kJestimated: x | 5 Jestimated: x"),
        ((1500.0, "estimated: x"), (5.0, "estimated: x"), "| 300 × less, estimated"),
        ((20.0, "RAPL"), (5.0, "estimated: x"), "| not comparable: the sources differ"),
        ((20.0, ""), (0.0, ""), "20 Jsource not stated | not measured | "),
    ],
)
def test_energy_is_shown_with_its_source(
    before: tuple[float, str], after: tuple[float, str], said: str
) -> None:
    """An estimate says so, also of the change; what two sources measured is not compared."""
    assert said in energy_row(before, after)


def test_fewer_calls_at_the_same_cost_stand_beside_the_candidate() -> None:
    """Its plan, passes, time and verdict have a column, and nothing is claimed of the rest."""
    rows = {row.split(" | ")[0]: row.split(" | ") for row in text_of(cost_table(realistic.report()))}
    assert rows["Plan"][4] == "own scheduler 5 steps, guidance 7.5, fp32"
    assert rows["Denoiser passes"][4] == "10"
    assert rows["Time for an image"][4] == "600 ms"
    assert rows["Verdict"][4] == "✗ FAIL"
    assert rows["Peak memory"][4] == "not measured"
    others = [Candidate("UniPC", 8, 0.2, "selection: FAIL")]
    assert "same cost" not in cost_table(replace(realistic.report(), candidates=others))


def test_where_a_fail_begins_is_said_if_it_is_not_the_bound() -> None:
    """In the table, and as a dotted mark left of the bound's line in the plot."""
    found = page(realistic.report())
    line = float(re.search(r'class="bound" x1="([\d.]+)"', found)[1])
    marks = [float(x) for x in re.findall(r'class="tolerated" x1="([\d.]+)"', found)]
    assert f"FAIL below −3.62{NBSP}points" in found
    assert len(marks) == 1
    assert marks[0] < line
    assert words.tolerated(check("a", 0, 1, "PASS", tolerated=-1.81)) == ""
