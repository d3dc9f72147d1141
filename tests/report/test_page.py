"""The page: whole, honest, safe with hostile text, readable without sight or colour."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from burnish.core.evidence import Check, Interval, Measurement, Verdict
from burnish.core.plan import Plan
from burnish.report.data import Candidate, ReportData, Row, Side
from burnish.report.page import page, write_report
from burnish.report.style import CSS

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)> & <b>"
VOID = {"meta", "img", "br", "link", "input", "hr"}


def check(outcome: str = "PASS", **change: object) -> Check:
    """An alignment check."""
    values = {
        "metric": "alignment difference",
        "unit": "points",
        "interval": Interval(mean=0.1, low=-0.2, high=0.4, n=96, confidence=0.9),
        "bound": -0.5,
        "direction": "higher",
        "why": "a quarter of what a new seed changes",
        "outcome": outcome,
    }
    return Check(**(values | change))


def verdict(outcome: str = "PASS", **change: object) -> Verdict:
    """A verdict of one check with two controls that behave."""
    controls = (check("PASS", why="must PASS, and does"), check("FAIL", why="must FAIL, and does"))
    values = {
        "floor": "equivalent",
        "outcome": outcome,
        "checks": (check(outcome, prompts_to_decide=1234 * (outcome == "INCONCLUSIVE")),),
        "controls": controls,
        "advisory": {"PSNR": 31.25},
        "prompts": 96,
        "seeds": 4,
    }
    return Verdict(**(values | change))


def report(**change: object) -> ReportData:
    """A report with two rows of pictures."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (4, 16, 24, 3)).astype(np.uint8)
    before = Measurement(bundle="a", calls=50, passes=100, latency_s=6.0, cpu_s=11.0, peak_mib=1430)
    after = Measurement(bundle="b", calls=10, passes=16, latency_s=0.5, cpu_s=0.9, peak_mib=1430)
    plan = Plan(num_inference_steps=10, precision="int8")
    values = {
        "title": "icons on two cores",
        "original": Side(name="icons", plan=Plan(), measurement=before),
        "optimized": Side(name="icons@3", plan=plan, measurement=after),
        "verdict": verdict(),
        "rows": [Row("a red apple", *pictures[:2]), ("a house", *pictures[2:])],
        "candidates": [Candidate("UniPC 4 steps", 8, 0.2, "FAIL"), Candidate("Euler", 9, 3.0, "too slow")],
        "provenance": {"machine": "two cores"},
    }
    values["rows"] = [Row(*row) for row in values["rows"]]
    return ReportData(**(values | change))


class Outline(HTMLParser):
    """What a browser would see: tags in order, each with its attributes; and tags left open or crossed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that opens."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself, as in SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """A tag that closes, the one opened last or a fault."""
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        """Text that is read."""
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of every such tag."""
        return [attrs for name, attrs in self.tags if name == tag]


def test_the_page_is_well_formed_and_has_a_heading_order() -> None:
    """Every tag is closed where it must be; one h1, then h2; language and title are named."""
    outline = Outline(page(report()))
    headings = [tag for tag, _ in outline.tags if re.fullmatch(r"h\d", tag)]
    assert outline.faults == []
    assert outline.open == []
    assert headings == ["h1", *["h2"] * 7]
    assert outline.named("html") == [{"lang": "en"}]
    assert len(outline.named("title")) == 1


def test_every_picture_is_embedded_once_with_its_prompt_as_text() -> None:
    """One img a picture, as PNG data with its own size, and an alternative text that says which it is."""
    images = Outline(page(report())).named("img")
    assert [i["alt"] for i in images] == [
        "Original: a red apple",
        "Optimized: a red apple",
        "Original: a house",
        "Optimized: a house",
    ]
    assert all(i["src"].startswith("data:image/png;base64,iVBOR") for i in images)
    assert {(i["width"], i["height"]) for i in images} == {("24", "16")}
    assert len({i["src"] for i in images}) == 4


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    """No string from outside becomes a tag or an attribute, and all of it is readable."""
    cost = Measurement(bundle=HOSTILE, energy_j=1.0, energy_from=HOSTILE)
    side = Side(name=HOSTILE, plan=Plan(scheduler=HOSTILE), measurement=cost)
    bad = check(metric=HOSTILE, unit=HOSTILE, why=HOSTILE)
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    text = page(
        report(
            title=HOSTILE,
            original=side,
            optimized=side,
            verdict=verdict(
                "FAIL",
                floor=HOSTILE,
                checks=(bad,),
                slices=(bad,),
                watched=(bad,),
                controls=(bad,),
                advisory={HOSTILE: 1.0},
            ),
            rows=[Row(HOSTILE, picture, picture)],
            worst=[Row(HOSTILE, picture, picture, HOSTILE)],
            method=(HOSTILE,),
            candidates=[Candidate(HOSTILE, 1, 1.0, HOSTILE)],
            provenance={HOSTILE: HOSTILE},
        )
    )
    outline = Outline(text)
    assert outline.faults == outline.open == []
    assert outline.named("script") == [{}]  # the page's own
    assert "alert" not in re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert not outline.named("b")
    assert len(outline.named("img")) == 4
    assert {name for _, attrs in outline.tags for name in attrs if name.startswith("on")} == set()
    assert outline.text.count(HOSTILE) >= 20


def test_nothing_is_loaded_from_anywhere() -> None:
    """No address but data: ones and anchors, and a policy against it that admits the page's own by hash."""
    text = page(report())
    outline = Outline(text)
    addresses = [v for _, a in outline.tags for k, v in a.items() if k in ("src", "href", "action", "srcset")]
    policy = [m["content"] for m in outline.named("meta") if m.get("http-equiv")]
    assert all(a.startswith(("data:image/png", "#")) for a in addresses)
    assert not outline.named("link") + outline.named("iframe")
    assert "url(" not in CSS
    assert "@import" not in CSS
    style, script = (
        base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        for own in re.search(r"<style>(.*?)</style>.*<script>(.*?)</script>", text, re.DOTALL).groups()
    )
    admitted = f"img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'"
    assert policy == [f"default-src 'none'; {admitted}; base-uri 'none'; form-action 'none'"]
    bare = page(report(rows=()))
    assert "script" not in bare


def test_tables_and_the_plot_speak_to_screen_readers() -> None:
    """Each table has a caption and headings and scrolls by keyboard; the plot says its numbers."""
    text = page(report())
    outline = Outline(text)
    regions = [d for d in outline.named("div") if d.get("role") == "region"]
    tables = len(outline.named("table"))
    assert tables == len(outline.named("caption")) == 6
    assert {th["scope"] for th in outline.named("th")} == {"row", "col"}
    assert len(regions) == tables
    assert all(r["tabindex"] == "0" and r["aria-label"] for r in regions)
    assert {s["aria-hidden"] for s in outline.named("svg")} == {"true"}  # the words beside it say it all
    assert "0.10 (−0.20 to 0.40)\N{NO-BREAK SPACE}points, bound at least −0.5" in outline.text


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (verdict("PASS"), "pictures are as good as the original's, though not the same ones."),
        (
            verdict("FAIL"),
            "are not as good as the original's: alignment difference is on the wrong side of the bound.",
        ),
        (
            verdict("INCONCLUSIVE"),
            "96 prompts with 4 seeds each do not decide it; about 1,234 prompts would.",
        ),
        (verdict("INCONCLUSIVE", checks=(check("PASS"),)), "the gate's own controls did not come out"),
        (verdict("INCONCLUSIVE", checks=(check("FAIL"),)), "the gate's own controls did not come out"),
        (verdict("PASS", floor="faithful"), "pictures are the same as the original's, as far as eyes can"),
    ],
)
def test_the_verdict_is_one_plain_sentence(said: Verdict, sentence: str) -> None:
    """What is said follows from the verdict, a withheld one included."""
    outline = Outline(page(report(verdict=said)))
    assert sentence in outline.text
    assert f"{said.outcome}, floor: {said.floor}" in outline.text


def test_costs_stand_side_by_side_with_their_change() -> None:
    """Numbers have units, changes a word, equal ones "the same", and what was not measured says so."""
    text = Outline(page(report())).text.replace("\N{NO-BREAK SPACE}", " ")
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "Time for an image6.00 s500 ms12 × faster" in rows
    assert "Denoiser passes100166.25 × fewer" in rows
    assert "Peak memory1.40 GiB1.40 GiBthe same" in rows
    assert "Size on disknot measurednot measured" in rows
    slower = report(original=report().optimized, optimized=report().original)
    assert "12\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}slower" in page(slower)


@pytest.mark.parametrize(
    ("direction", "bound", "outcome"),
    [("higher", -0.5, "PASS"), ("lower", 0.5, "PASS"), ("lower", -0.5, "FAIL")],
)
def test_the_plot_puts_good_intervals_right_of_their_bound(
    direction: str, bound: float, outcome: str
) -> None:
    """Whatever the direction, an interval that passes lies right of the line and one that fails left."""
    text = page(report(verdict=verdict(checks=(check(outcome, direction=direction, bound=bound),))))
    line = float(re.search(r'class="bound" x1="([\d.]+)"', text)[1])
    left, right = map(float, re.search(r'class="span" d="M([\d.]+) [\d.]+H([\d.]+)', text).groups())
    dot = float(re.search(r'circle cx="([\d.]+)"', text)[1])
    assert left < dot < right
    assert (line < left) if outcome == "PASS" else (right < line)


def test_sections_without_content_are_left_out() -> None:
    """No rows, candidates or provenance: no empty tables and no headings over nothing."""
    bare = verdict(controls=(), advisory={})
    outline = Outline(page(report(rows=(), candidates=(), provenance={}, verdict=bare)))
    links = [a["href"] for a in outline.named("a")]
    assert len(outline.named("h2")) == len(outline.named("table")) == 2
    assert links == ["#main", "#checks", "#cost-and-quality"]
    assert not outline.named("img")


def test_a_control_that_was_not_measured_shows_no_numbers() -> None:
    """A missing planted damage says "not measured", not 0 with a bound."""
    nothing = check("INCONCLUSIVE", metric="planted damage", interval=Interval(mean=0, low=0, high=0, n=0))
    text = Outline(page(report(verdict=verdict(controls=(nothing,))))).text
    assert "planted damage? INCONCLUSIVEnot measured0" in text


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """write_report writes the page as UTF-8; a picture that is none raises and leaves the old file."""
    target = tmp_path / "out" / "report.html"
    write_report(target, report())
    assert target.read_text(encoding="utf-8") == page(report())
    wrong = Row("x", np.zeros((8, 8, 3)), np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match="uint8"):
        write_report(target, replace(report(), rows=[wrong]))
    assert target.read_text(encoding="utf-8") == page(report())
    assert [p.name for p in target.parent.iterdir()] == ["report.html"]


def _luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1, 2])
def test_every_text_colour_has_the_contrast_of_wcag_aa(theme: int) -> None:
    """Text on paper and on the verdict's card is 4.5 : 1 or more, light, dark and in print (WCAG 1.4.3)."""
    block = re.findall(r":root \{([^}]*)\}", CSS)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "pass", "fail", "inconclusive", "link"):
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
