"""The page shows what was found, loads nothing, and takes names for text."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from burnish.core.costing import Costing
from burnish.costs.forecast import Question, forecast
from burnish.report.money import cost_plot, page
from burnish.report.plot import Line, Plot, Scale, draw
from tests.costs.offers import edge, prices, rented, service, steady, subject

HOSTILE = "<script>alert(1)</script>"
ASKED = Question(demand=steady(60.0), max_wait_s=30.0, loads=True)


@pytest.fixture(scope="module")
def found() -> Costing:
    """A box, a rented machine with a hostile name, and a service."""
    return forecast(prices(edge(), rented(name=HOSTILE), service()), [subject()], ASKED)


def test_the_page_says_the_answer_and_every_number(found: Costing) -> None:
    """Recommendation, costs of every offer, break-even points, changes and assumptions are there as text."""
    text = page(found)
    assert "Take box: the cheapest that keeps a p95 of 30.00 s" in text
    for heading in ("Offers", "Cost at any volume", "Waiting at any load", "What would change it"):
        assert f"<h2>{heading}</h2>" in text
    for e in found.estimates:
        assert f"<td>{e.monthly(found.images_per_month):,.2f}</td>" in text
    assert all(f"{v:,.0f}" in text for pair in found.break_evens for v in pair.volumes[:3])


def test_a_name_stays_text_and_nothing_is_loaded(found: Costing) -> None:
    """No script, no address, and a policy that would stop both."""
    text = page(found)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"""(?:src|href)=|url\(|@import""", text)
    assert "default-src 'none'" in text


def test_the_plots_are_well_formed(found: Costing) -> None:
    """Every SVG parses, and a screen reader is told what it shows."""
    drawn = re.findall(r"<svg class=\"plot\".*?</svg>", page(found), re.DOTALL)
    assert len(drawn) == 2
    for text in drawn:
        assert ET.fromstring(text).get("aria-label")  # noqa: S314 - our own


def test_lines_and_dots_are_where_the_numbers_say(found: Costing) -> None:
    """Cost points are the estimates' own, and each dot lies on the line of the one that becomes cheaper."""
    plot = cost_plot(found)
    for line, e in zip(plot.lines, found.estimates, strict=True):
        assert all(cost == pytest.approx(e.per_thousand(v)) for v, cost in line.points)
    service_cost = 20.0
    assert any(cost == pytest.approx(service_cost) for _, cost in plot.dots)


def test_a_scale_is_logarithmic() -> None:
    """Equal ratios are equal lengths, and ticks are round numbers within it."""
    scale = Scale(low=10.0, high=1000.0, start=0.0, end=200.0)
    assert [scale.at(v) for v in (10.0, 100.0, 1000.0)] == pytest.approx([0.0, 100.0, 200.0])
    assert scale.ticks() == pytest.approx([10, 20, 50, 100, 200, 500, 1000])
    wide = Scale(low=1.0, high=1e12, start=0.0, end=1.0).ticks()
    assert len(wide) <= 9
    assert all(math.isclose(math.log10(t), round(math.log10(t))) for t in wide)


@pytest.mark.parametrize(("low", "high"), [(2.2, 4.8), (5.5, 9.0), (0.021, 0.049)])
def test_a_scale_without_a_round_number_has_its_ends(low: float, high: float) -> None:
    """Between 2 and 5, or 5 and 10, lies no tick, and an axis without any says nothing."""
    assert Scale(low=low, high=high, start=0.0, end=1.0).ticks() == [low, high]


def test_a_plot_of_one_point_or_of_none_is_drawn_or_left_out() -> None:
    """Neither divides by nothing."""
    one = Plot(
        x_label="x",
        y_label="y",
        told="told",
        lines=[Line(key=0, points=[(5.0, 5.0)])],
        show_x=str,
        show_y=str,
    )
    assert "nan" not in draw(one)
    assert draw(replace(one, lines=[])) == ""


def test_a_failure_is_said_first() -> None:
    """Where no offer keeps the wait the page begins with it."""
    none = forecast(prices(edge()), [subject()], Question(demand=steady(60.0), max_wait_s=1.0))
    assert page(none).index("✗ FAIL") < page(none).index("Nearest: box, 2.")
