"""What a search explored, drawn: points, the frontier's pictures, and what levers gave."""

from __future__ import annotations

import math
import re

import numpy as np

from burnish.report.data import Explored, Lever
from burnish.report.pareto import SHOWN, pareto

PICTURE = np.zeros((8, 8, 3), dtype=np.uint8)


def explored(k: int, *, drawn: bool = True, chosen: bool = False, scale: float = 7.5) -> Explored:
    """The k-th of a frontier: dearer and nearer than those before."""
    return Explored(f"plan <{k}>", 0.1 * k, 1.0 / k, scale, PICTURE if drawn else None, chosen)


def test_every_plan_is_a_point_and_the_frontier_has_pictures() -> None:
    """A dot a plan, a picture a plan of the frontier, a line a strength of guidance; names are escaped."""
    plans = [
        explored(1, chosen=True),
        explored(2, drawn=False),
        explored(3),
        explored(4, scale=4.9),
        explored(5, scale=4.9),
    ]
    page = pareto(plans, ())
    assert len(re.findall("<circle", page)) == 5
    assert page.count("<img") == 4
    assert page.count('class="chosen"') == 1
    assert "guidance 7.5" in page
    assert "guidance 4.9" in page
    assert "<1>" not in page
    assert "&lt;1&gt;" in page


def test_a_long_frontier_shows_some_and_the_chosen() -> None:
    """No more pictures than fit, spread evenly; the chosen plan is always among them."""
    plans = [explored(k, chosen=k == 30) for k in range(1, 31)]
    page = pareto(plans, ())
    assert SHOWN // 2 <= page.count("<img") <= SHOWN + 1
    assert "plan &lt;30&gt;" in page


def test_levers_stand_beside_the_whole() -> None:
    """What cannot be and what was not run is said, never shown as a number."""
    levers = (Lever("caching", (0.5, math.inf), None), Lever("precision", (0.4, 0.02), (0.3, 0.25)))
    page = pareto([explored(1, chosen=True)], levers)
    assert "not run" in page
    assert "cannot be" in page
    assert "All together" in page
    assert "inf" not in re.sub(r'src="[^"]*"', "", page)


def test_nothing_explored_is_nothing_drawn() -> None:
    """A gate's report has no such section."""
    assert pareto((), ()) == ""


def test_the_original_itself_among_the_plans_is_no_point() -> None:
    """An error of 0 has no place on a logarithm; its picture is shown all the same."""
    same = Explored("the original", 0.9, 0.0, 7.5, PICTURE, False)
    page = pareto([explored(1, chosen=True), same], ())
    assert len(re.findall("<circle", page)) == 1
    assert page.count("<img") == 2
    assert pareto([same], ()) == ""
