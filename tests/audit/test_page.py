"""The page says every number and loads nothing; what comes from outside stays text."""

from __future__ import annotations

import base64
import hashlib

import numpy as np

from burnish.audit.compare import compare
from burnish.audit.page import page, span
from burnish.core.evidence import Interval
from burnish.core.findings import Audit, Finding
from burnish.report.style import CSS

EVIL = "<script>alert(1)</script>"


def test_the_page_holds_every_part_and_escapes_what_comes_from_outside() -> None:
    """Answers, comparisons, numbers, limits, and why a part is left out; hostile names stay text."""
    shown = compare(f"loss {EVIL}", np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 5.0]), "points")
    findings = (
        Finding(part="bias", left_out=f"no suite {EVIL}"),
        Finding(part="novelty", answer=EVIL, comparisons=(shown,), numbers={EVIL: 0.125}, limits=(EVIL,)),
    )
    text = page(
        Audit(bundle="a", against="b", judge="c", prompts=3, seeds=1, findings=findings), {"bundle": EVIL}
    )
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 6
    own = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    assert f"style-src 'sha256-{own}'" in text
    assert "unsafe-inline" not in text
    for said in ("Left out: no suite", "0.125", "1.3", "default-src 'none'", "<h2>Bias</h2>"):
        assert said in text


def test_spans_are_as_precise_as_their_interval() -> None:
    """Two digits of the width; shares are percent."""
    assert span(Interval(mean=0.123456, low=-0.2, high=0.41, n=9), "points") == "0.12 (-0.20 to 0.41)"
    assert span(Interval(mean=0.5, low=0.25, high=0.75, n=9), "share") == "50 (25 to 75)"
    assert span(Interval(mean=1.0, low=1.0, high=1.0, n=9), "") == "1.00 (1.00 to 1.00)"
