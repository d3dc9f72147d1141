"""What the gate says of its controls is what the page and the JUnit file read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from burnish.measure.controls import Control
from burnish.measure.gate import verdict as gate
from burnish.measure.scores import Scores
from burnish.report import words
from burnish.report.junit import junit
from burnish.report.tables import controls


def scores(alignment: np.ndarray) -> Scores:
    """Scores that differ in alignment only."""
    rest = {name: np.full(alignment.shape, 1.0) for name in ("psnr", "ssim", "distance")}
    return Scores(alignment=alignment, broken=np.zeros(alignment.shape, dtype=np.bool_), **rest)


def test_controls_are_judged_by_what_they_must_come_out_as() -> None:
    """In the gate's own words: a FAIL that must come is good, a damage that is let through is not."""
    rng = np.random.default_rng(0)
    base = 25 + rng.standard_normal((80, 2))
    damages = [
        Control(name=name, scores=scores(base - loss), expected="FAIL")
        for name, loss in (("caught", 9.0), ("let through", 0.0))
    ]
    judged = gate("equivalent", scores(base), scores(base), damages)
    found = judged.controls
    assert [words.expected(control) for control in found] == ["PASS", "FAIL", "FAIL"]
    badges = re.findall(r'class="badge (\w+)">([^<]+)<', controls(found))
    assert badges == [
        ("pass", "✓ PASS, as it must"),
        ("pass", "✓ FAIL, as it must"),
        ("fail", "✗ PASS, not FAIL"),
    ]
    suite = ElementTree.fromstring(junit(judged, "x"))  # noqa: S314 - written by the function under test
    red = [case.get("name") for case in suite.findall("testcase[failure]")]
    assert len(red) == 1
    assert red[0].startswith("let through")
