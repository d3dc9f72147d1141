"""The page in a real browser: whole without a network, for mouse, keyboard, screen reader and paper."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image

from burnish.report.data import Row
from burnish.report.page import page, write_report
from tests.report import realistic

NAMES = ("chromium", "chromium-browser", "google-chrome")
LONG = "pneumonoultramicroscopicsilicovolcanoconiosis" * 12
RED, BLUE = (np.full((64, 64, 3), colour, dtype=np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))
LIGHT_AND_DARK = pytest.mark.parametrize("scheme", ["light", "dark"])
Opened = Callable[..., Any]


def missing(what: str) -> NoReturn:
    """Skips on a machine of somebody's own; on a build server these tests must run."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI runs the browser tests")
    pytest.skip(f"{what} is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, driven by Playwright; nothing is downloaded."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report as a search writes one."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, realistic.report())
    return path


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Opens a file in a window of its own; `seen` and `said` are what it requested and complained of."""
    contexts = []

    def of(path: Path, width: int = 1280, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.seen, tab.said = [], []
        tab.on("request", lambda request: tab.seen.append(request.url))
        tab.on("console", lambda message: tab.said.append(message.text))
        tab.on("pageerror", lambda error: tab.said.append(str(error)))
        tab.goto(path.as_uri())
        return tab

    yield of
    for context in contexts:
        context.close()


@pytest.fixture
def two_colours(tmp_path: Path) -> Path:
    """A page of one pair: the original red, the optimized blue."""
    path = tmp_path / "two.html"
    write_report(path, replace(realistic.report(), rows=[Row("red, then blue", RED, BLUE)], worst=()))
    return path


def red_share(tab: Any) -> float:
    """Which share of the first pair's picture is the original's red, along its middle."""
    shot = tab.locator(".pair img").first.screenshot()
    line = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))[20]
    inside = line[4:-4].astype(int)
    return float((inside[:, 0] > inside[:, 2] + 50).mean())


def test_nothing_leaves_the_file_and_nothing_complains(opened: Opened, file: Path) -> None:
    """The file is all that is requested; no console message, no error, no violation of the policy."""
    tab = opened(file)
    tab.locator("nav a").last.click()
    tab.locator(".pair input").first.press("ArrowRight")
    assert [url for url in tab.seen if not url.startswith("data:")] == [file.as_uri()]
    assert tab.said == []
    assert tab.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_a_script_that_slipped_in_is_not_run(opened: Opened, tmp_path: Path) -> None:
    """The policy stops what an escape forgot, inline or fetched, and the page's own script still runs."""
    evil = '<script>window.hit = 1</script><img src="x" onerror="window.hit = 1" alt="">'
    evil += '<img src="http://127.0.0.1:9/x" alt=""><p style="color: red">'
    path = tmp_path / "evil.html"
    path.write_text(page(realistic.report()).replace("<h1>", f"{evil}<h1>", 1), encoding="utf-8")
    tab = opened(path)
    assert tab.evaluate("window.hit") is None
    assert tab.locator(".pair.live").count() == 32
    assert len(tab.said) >= 4
    assert all("Content Security Policy" in text for text in tab.said)


def test_the_slider_moves_by_keyboard_and_shows_both_pictures(opened: Opened, two_colours: Path) -> None:
    """Arrow keys, Home and End move the edge; what is left of it is the original, pixel by pixel."""
    tab = opened(two_colours)
    slider = tab.get_by_role("slider")
    assert red_share(tab) == pytest.approx(0.5, abs=0.05)
    slider.focus()
    for key, share in [("ArrowRight", 0.51), ("End", 1.0), ("Home", 0.0), ("PageUp", 0.1)]:
        tab.keyboard.press(key)
        assert float(slider.input_value()) == pytest.approx(100 * share)
        assert tab.locator(".after").evaluate("e => getComputedStyle(e).clipPath") == (
            f"inset(0px 0px 0px {100 * share:g}%)"
        )
        assert red_share(tab) == pytest.approx(share, abs=0.05)
        assert slider.get_attribute("aria-valuetext") == f"{100 * share:g} % original"


def test_the_edge_follows_the_mouse_on_the_picture(opened: Opened, two_colours: Path) -> None:
    """Pressing moves the edge there, dragging takes it along, and moving without a button does nothing."""
    tab = opened(two_colours)
    box = tab.locator(".pair img").first.bounding_box()
    slider = tab.get_by_role("slider")
    places = [box["x"] + share * box["width"] for share in (0.25, 0.75, 0.4)]
    y = box["y"] + box["height"] / 2
    tab.mouse.move(places[0], y)
    tab.mouse.down()
    assert float(slider.input_value()) == pytest.approx(25, abs=1)
    tab.mouse.move(places[1], y)
    assert float(slider.input_value()) == pytest.approx(75, abs=1)
    tab.mouse.up()
    tab.mouse.move(places[2], y)
    assert float(slider.input_value()) == pytest.approx(75, abs=1)


def side_by_side(tab: Any) -> bool:
    """Whether the pictures of every pair stand next to each other, both whole, without a slider."""
    return bool(
        tab.evaluate("""[...document.querySelectorAll(".pair")].every(pair => {
            const [a, b] = [...pair.querySelectorAll("img")].map(i => i.getBoundingClientRect());
            const clip = getComputedStyle(pair.querySelector(".after")).clipPath;
            const slider = getComputedStyle(pair.querySelector("input")).display;
            const apart = a.right <= b.left && a.top === b.top && a.width > 50;
            return apart && clip === "none" && slider === "none";
        })""")
    )


def test_without_javascript_the_pictures_stand_side_by_side(opened: Opened, file: Path) -> None:
    """All of the report is there; only the slider and the words about it are not."""
    tab = opened(file, java_script_enabled=False)
    images = tab.locator(".pair").first.locator("img")
    left, right = (images.nth(k).bounding_box() for k in (0, 1))
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == right["y"]
    assert tab.get_by_role("slider").count() == 0
    assert not tab.get_by_text("Move the slider").first.is_visible()


def test_the_page_prints_with_pairs_side_by_side(opened: Opened, file: Path) -> None:
    """On paper there is no slider and no list of links, and the PDF has several pages that are not blank."""
    tab, shown = opened(file), realistic.report()
    assert not side_by_side(tab)
    pdf = tab.pdf(format="A4")
    tab.emulate_media(media="print")
    assert side_by_side(tab)
    assert not tab.locator("nav").is_visible()
    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") >= 4
    drawn = {picture.tobytes() for row in (*shown.rows, *shown.worst) for picture in row[1:3]}
    assert pdf.count(b"/Subtype /Image") == len(drawn)  # a PDF holds equal pictures once


@pytest.mark.parametrize("width", [360, 320])
def test_a_narrow_window_needs_no_scrolling_sideways(opened: Opened, tmp_path: Path, width: int) -> None:
    """Not even with a word of 540 letters everywhere: tables scroll on their own, text breaks."""
    data = realistic.report()
    said = data.verdict
    named = said.checks[0].model_copy(update={"metric": LONG, "why": LONG})
    wide = replace(
        data,
        title=LONG,
        verdict=said.model_copy(update={"checks": (named,), "slices": (named, *said.slices), "floor": LONG}),
        rows=[Row(LONG, RED, BLUE, LONG), *data.rows],
        method=(LONG,),
        provenance={LONG: LONG},
    )
    for shown in (data, wide):
        write_report(tmp_path / "wide.html", shown)
        tab = opened(tmp_path / "wide.html", width=width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.locator(".scroll").first.evaluate("e => getComputedStyle(e).overflowX") == "auto"


def audited(tab: Any) -> tuple[dict[str, list[str]], set[str]]:
    """What axe finds: rule -> the elements that break it; and the rules that some element keeps."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python")
    found = Axe().run(tab, options={"resultTypes": ["violations", "passes"]}).response
    broken = {v["id"]: [node["html"] for node in v["nodes"]] for v in found["violations"]}
    return broken, {rule["id"] for rule in found["passes"]}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing(opened: Opened, file: Path, scheme: str, width: int) -> None:
    """No rule of axe is broken, contrast of every drawn text included; and each of these rules was tried."""
    broken, kept = audited(opened(file, width=width, color_scheme=scheme))
    tried = {"color-contrast", "heading-order", "image-alt", "label", "landmark-one-main", "region"}
    assert broken == {}
    assert tried <= kept


def test_axe_would_have_found_something(opened: Opened, file: Path) -> None:
    """Planted damage: a pale text, a picture without words, a slider without a name."""
    tab = opened(file)
    tab.evaluate("""() => {
        document.querySelector(".say").style.color = "#bbbbbb";
        document.querySelector("img").removeAttribute("alt");
        document.querySelector("input").removeAttribute("aria-label");
    }""")
    assert audited(tab)[0].keys() >= {"color-contrast", "image-alt", "label"}


def test_headings_have_an_order_and_every_picture_words(opened: Opened, file: Path) -> None:
    """One h1, no level left out; each picture says which it is and of what."""
    tab = opened(file)
    levels = tab.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    alts = tab.evaluate("[...document.images].map(i => i.alt)")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(alts) == 64
    assert all(alt.startswith(("Original: ", "Optimized: ")) for alt in alts)


@LIGHT_AND_DARK
def test_whatever_the_keyboard_reaches_shows_that_it_has_the_focus(
    opened: Opened, file: Path, scheme: str
) -> None:
    """Links, sliders and tables that scroll are reached in the order of the page, each with an outline."""
    tab = opened(file, color_scheme=scheme)
    reached = []
    for _ in range(80):
        tab.keyboard.press("Tab")
        found = tab.evaluate("""() => {
            const e = document.activeElement, s = getComputedStyle(e);
            const y = e.getBoundingClientRect().top + scrollY;
            return [e.tagName, parseFloat(s.outlineWidth), s.outlineStyle, y, s.outlineColor];
        }""")
        if found[0] == "BODY":
            break
        reached.append(found)
    assert {tag for tag, *_ in reached} == {"A", "INPUT", "DIV"}
    assert sum(tag == "INPUT" for tag, *_ in reached) == 32
    assert all(width >= 2 and style == "solid" for _, width, style, *_ in reached)
    assert [y for *_, y, _ in reached] == sorted(y for *_, y, _ in reached)


def test_nothing_moves_by_itself(opened: Opened, file: Path) -> None:
    """No animation, transition or smooth scrolling: whoever asks for less motion gets none, as all do."""
    tab = opened(file, reduced_motion="no-preference")
    moving = tab.evaluate("""[...document.querySelectorAll("*")].filter(e => {
        const s = getComputedStyle(e);
        return s.transitionDuration !== "0s" || s.animationName !== "none" || s.scrollBehavior !== "auto";
    }).length""")
    assert moving == 0
    assert tab.evaluate("document.getAnimations().length") == 0
