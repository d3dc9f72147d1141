"""`burnish costs` prices bundles and measurements, and ends with 1 where no offer keeps the wait."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.costing import Costing
from burnish.core.evidence import Measurement
from tests.cli.conftest import Burnish
from tests.conftest import SD, Bundles

PRICES = """\
date: 2026-01-31
currency: EUR
demand: {mean: 60, peak_factor: 2}
offers:
- {name: rented, kind: cpu, source: a test, speed: this machine, per_hour: 0.1}
- {name: quick, kind: cpu, source: a test, speed: 4, per_hour: 0.5}
- {name: service, kind: api, source: a test, per_image: 0.02, latency_s: 4}
"""
AGE = ("--max-age", 100_000)


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A price file beside the directory that commands run in."""
    path = tmp_path.parent / f"{tmp_path.name}-prices.yaml"
    path.write_text(PRICES)
    return path


def measured(path: Path, latency_s: float, bundle: str = "b" * 64) -> Path:
    """What `burnish measure --json` writes of a bundle called mine."""
    row = Measurement(bundle=bundle, latency_s=latency_s, cpu_s=2 * latency_s, peak_mib=200.0)
    path.write_text(json.dumps({"costs": [{"name": "out/mine", **row.model_dump()}], "quality": None}))
    return path


def test_seconds_are_told_as_money(burnish: Burnish, prices: Path) -> None:
    """Table, recommendation and assumptions go to standard output; old prices warn with their day."""
    found = burnish("costs", "--seconds-per-image", 2, "--prices", prices, "--max-age", 0)
    assert found.code == 0, found.err
    assert "Take rented: the cheapest, 1.67 EUR per 1,000 images." in found.out
    assert (
        "taken to be 4 times as fast as the machine that was measured. It was not measured there."
        in found.out
    )
    assert "The prices are of 2026-01-31" in found.err


def test_json_is_the_whole_costing(burnish: Burnish, prices: Path, tmp_path: Path) -> None:
    """`--json` reads back as the value; a file of measurements is what is priced."""
    file = measured(tmp_path / "m.json", 3.0)
    found = burnish("costs", file, "--prices", prices, "--json", "--max-wait", "30s", *AGE)
    assert found.code == 0, found.err
    costing = Costing.model_validate_json(found.out)
    assert costing.of("rented").subject == "mine"
    assert costing.of("rented").seconds_per_image == 3.0
    assert costing.max_wait_s == 30.0
    assert costing.recommended == "rented"


def test_a_bundle_is_priced_beside_its_original(burnish: Burnish, prices: Path, copied: Bundles) -> None:
    """What the bundle says that it and the original take is used; one that was never measured is refused."""
    directory = copied(SD)
    refused = burnish("costs", directory, "--prices", prices, *AGE)
    assert (refused.code, "was never measured. Measure it: burnish measure" in refused.err) == (2, True)
    bundle = Bundle.read(directory / MANIFEST)
    cost = {"measurement": Measurement(bundle=bundle.identity, latency_s=0.5)}
    bundle.model_copy(update=cost).save(directory / MANIFEST)
    refused = burnish("costs", directory, "--original", "--prices", prices, *AGE)
    assert (refused.code, "does not say what the original cost" in refused.err) == (2, True)
    cost["original"] = Measurement(bundle="0" * 64, latency_s=8.0)
    bundle.model_copy(update=cost).save(directory / MANIFEST)
    found = burnish("costs", directory, "--original", "--prices", prices, "--json", *AGE)
    costing = Costing.model_validate_json(found.out)
    assert costing.of("copied on rented").seconds_per_image == 0.5
    assert costing.of("original of copied on rented").seconds_per_image == 8.0


def test_a_wait_that_nothing_keeps_ends_with_1(burnish: Burnish, prices: Path) -> None:
    """The nearest is named."""
    found = burnish("costs", "--seconds-per-image", 8, "--prices", prices, "--max-wait", "1s", *AGE)
    assert found.code == 1
    assert "Nearest: quick, 2." in found.out


def test_a_measurement_from_the_machine_replaces_the_ratio(
    burnish: Burnish, prices: Path, tmp_path: Path
) -> None:
    """`--measured` counts where it is of the same bundle, and is refused where it is of another."""
    here, there = measured(tmp_path / "here.json", 2.0), measured(tmp_path / "there.json", 0.7)
    found = burnish("costs", here, "--prices", prices, "--measured", f"quick={there}", "--json", *AGE)
    assert Costing.model_validate_json(found.out).of("quick").seconds_per_image == 0.7
    other = measured(tmp_path / "other.json", 0.7, bundle="c" * 64)
    refused = burnish("costs", here, "--prices", prices, "--measured", f"quick={other}", *AGE)
    assert (refused.code, "what was measured on quick is not mine" in refused.err) == (2, True)


def test_a_demand_may_be_given_instead(burnish: Burnish, prices: Path) -> None:
    """`--images-per-hour` and `--peak-factor` replace the file's."""
    argv = ("costs", "--seconds-per-image", 2, "--prices", prices, "--json", *AGE)
    costing = Costing.model_validate_json(burnish(*argv, "--images-per-hour", 10, "--peak-factor", 3).out)
    assert costing.images_per_month == pytest.approx(7300.0)
    assert max(costing.images_per_hour) == pytest.approx(30.0)


def test_the_report_is_one_page(burnish: Burnish, prices: Path, tmp_path: Path) -> None:
    """It holds both plots and loads nothing."""
    found = burnish("costs", "--seconds-per-image", 2, "--prices", prices, "--report", "costs.html", *AGE)
    assert found.code == 0, found.err
    text = (tmp_path / "costs.html").read_text()
    assert text.count('<svg class="plot"') == 2
    assert "src=" not in text


def test_the_example_is_written_once(burnish: Burnish, tmp_path: Path) -> None:
    """It works as it is, says that it is an example, and never replaces a file."""
    assert burnish("costs", "--make-prices", "prices.yaml").out == "prices.yaml\n"
    assert "is there" in burnish("costs", "--make-prices", "prices.yaml").err
    found = burnish("costs", "--seconds-per-image", 2, "--prices", "prices.yaml", *AGE)
    assert found.code == 0
    assert "Example prices, which nobody offers: mini PC, rented CPU" in found.err


# What is asked, what the error says. {prices} and {m} are there, {bad} is a text, {none} has no measurement.
REFUSED = {
    "no prices": ("--seconds-per-image 2", "no prices were given"),
    "prices missing": ("--prices nowhere.yaml", "nowhere.yaml does not exist"),
    "prices that are none": ("--prices {bad}", "is expected"),
    "nothing to run": ("--prices {prices}", "nothing was given that rented could run"),
    "no bundle": ("nowhere --prices {prices}", "nowhere does not exist"),
    "no measurement": ("{bad} --prices {prices}", "is neither a bundle nor a measurement"),
    "an empty directory": ("{none} --prices {prices}", "does not exist"),
    "the same twice": ("{m} {m} --prices {prices}", "'mine' was given twice"),
    "no seconds": ("--seconds-per-image 0 --prices {prices}", "Invalid value for '--seconds-per-image'"),
    "a wait without unit": ("{m} --prices {prices} --max-wait 2", "'2' is no duration"),
    "a peak of nothing": ("{m} --prices {prices} --peak-factor 2", "--peak-factor is of a mean"),
    "an offer that is none": ("{m} --prices {prices} --measured q={m}", "no machine is called 'q'"),
    "no offer and file": ("{m} --prices {prices} --measured quick", "names no offer and file"),
    "seconds have no bundle": (
        "--seconds-per-image 2 --prices {prices} --measured quick={m}",
        "what was measured on quick is not the model",
    ),
    "a directory for a page": ("{m} --prices {prices} --report {none}", "is a directory"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_one_line(case: str, burnish: Burnish, prices: Path, tmp_path: Path) -> None:
    """The command ends with 2 and says what mends it."""
    asked, words = REFUSED[case]
    (tmp_path / "bad.txt").write_text("just a text")
    (tmp_path / "none").mkdir()
    names = {"prices": prices, "m": measured(tmp_path / "m.json", 2.0), "bad": "bad.txt", "none": "none"}
    found = burnish("costs", *asked.format(**names).split())
    assert (found.code, found.out) == (2, "")
    assert words in found.err


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"costs": []}',
        '{"costs": [{"name": "a"}]}',
        '{"costs": [{"name": "a", "bundle": "b"}]}',
        '{"costs": [{"name": "a", "bundle": "b", "latency_s": -1}]}',
        '{"costs": [{"name": "a", "bundle": "b", "latency_s": NaN}]}',
        '{"costs": [{"name": "a", "bundle": "b", "latency_s": 1, "batch": 0}]}',
        "[" * 100_000,
    ],
)
def test_a_measurement_that_is_none_is_refused(
    text: str, burnish: Burnish, prices: Path, tmp_path: Path
) -> None:
    """Whatever stands in the file, the answer is one line and how to measure."""
    (tmp_path / "m.json").write_text(text)
    found = burnish("costs", "m.json", "--prices", prices)
    assert found.code == 2
    assert "burnish measure BUNDLE --json" in found.err
