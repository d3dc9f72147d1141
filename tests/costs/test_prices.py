"""A price file is read as it is meant, and whatever is wrong in it is named with its line and a remedy."""

from __future__ import annotations

import datetime
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.core.prices import (
    DESCRIPTIONS,
    EXAMPLE,
    Demand,
    EdgeDevice,
    PayPerCall,
    PriceError,
    Prices,
    RentedMachine,
    age_warnings,
    daily_curve,
    read_prices,
)

GOOD = """\
date: 2026-01-31
currency: EUR
demand: {mean: 40, peak_factor: 3}
offers:
- name: box
  kind: edge
  source: a shelf, January
  speed: 0.5
  purchase_price: 480
  lifetime_years: 4
  watts: 45
  idle_watts: 8.5
  electricity_per_kwh: 0.35
- name: rented
  kind: cpu
  source: a list
  speed: this machine
  per_hour: 0.06
- name: service
  kind: api
  source: a list
  per_image: 0.02
  latency_s: 4
"""
HOURS = "[0, 0, 0, 0, 0, 0, 5, 20, 60, 90, 90, 80, 70, 80, 90, 90, 80, 60, 40, 30, 20, 10, 5, 0]"


def read(text: str | bytes, tmp_path: Path) -> Prices:
    """What a file with this in it says."""
    path = tmp_path / "prices.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_prices(path)


def test_a_file_says_what_stands_there(tmp_path: Path) -> None:
    """Kinds, numbers, texts and the day come as they were written."""
    found = read(GOOD, tmp_path)
    box, rented, service = found.offers
    assert (found.date, found.currency) == (datetime.date(2026, 1, 31), "EUR")
    assert isinstance(box, EdgeDevice)
    assert (box.speed, box.purchase_price, box.idle_watts, box.workers) == (0.5, 480.0, 8.5, 1)
    assert isinstance(rented, RentedMachine)
    assert rented.speed == "this machine"
    assert isinstance(service, PayPerCall)
    assert found.demand == Demand(mean=40.0, peak_factor=3.0)


def test_hours_of_a_day_are_a_demand(tmp_path: Path) -> None:
    """24 numbers add up to a month of 730 hours."""
    found = read(GOOD.replace("{mean: 40, peak_factor: 3}", f"{{images_per_hour: {HOURS}}}"), tmp_path)
    assert found.demand is not None
    assert found.demand.by_hour[9] == 90.0
    assert found.demand.images_per_month == pytest.approx(920 / 24 * 730)


@given(mean=st.floats(0.01, 1e5), peak=st.floats(1.0, 12.0))
def test_a_curve_has_its_mean_and_its_peak(mean: float, peak: float) -> None:
    """24 hours that are never negative, with the mean and the busiest hour that were asked for."""
    curve = daily_curve(mean, peak)
    assert len(curve) == 24
    assert min(curve) >= 0.0
    assert sum(curve) / 24 == pytest.approx(mean)
    assert max(curve) == pytest.approx(peak * mean, rel=1e-6)


def test_the_example_is_read_and_says_that_it_is_one() -> None:
    """It has every kind of offer, and every one of them is marked."""
    found = read_prices(EXAMPLE)
    assert {offer.kind for offer in found.offers} == {"edge", "cpu", "gpu", "api"}
    assert found.examples == tuple(offer.name for offer in found.offers)
    assert found.demand is not None


# Field of GOOD, what stands in its place, the line that is named, what the problem says.
BAD_VALUES: tuple[tuple[str, str, int, str], ...] = (
    ("date: 2026-01-31", "date: 2026-02-30", 1, "date"),
    ("date: 2026-01-31", "date: soon", 1, "date"),
    ("date: 2026-01-31", "date: 2026", 1, "date"),
    ("currency: EUR", "currency: euro", 2, "currency"),
    ("mean: 40", "mean: 0", 3, "mean"),
    ("mean: 40", "mean: '40'", 3, "mean"),
    ("peak_factor: 3", "peak_factor: 0.5", 3, "peak_factor"),
    ("peak_factor: 3", "peak_factor: 13", 3, "peak_factor"),
    ("name: box", "name: ''", 5, "name"),
    ("kind: edge", "kind: toaster", 5, "kind"),
    ("source: a shelf, January", "source: ''", 7, "source"),
    ("speed: 0.5", "speed: 0", 8, "speed"),
    ("speed: 0.5", "speed: -1", 8, "speed"),
    ("speed: 0.5", "speed: fast", 8, "speed"),
    ("purchase_price: 480", "purchase_price: -480", 9, "purchase_price"),
    ("purchase_price: 480", "purchase_price: 480 EUR", 9, "purchase_price"),
    ("lifetime_years: 4", "lifetime_years: 0", 10, "lifetime_years"),
    ("watts: 45", "watts: -1", 11, "watts"),
    ("idle_watts: 8.5", "idle_watts: -8.5", 12, "idle_watts"),
    ("electricity_per_kwh: 0.35", "electricity_per_kwh: -0.35", 13, "electricity_per_kwh"),
    ("per_hour: 0.06", "per_hour: -0.06", 18, "per_hour"),
    ("per_image: 0.02", "per_image: free", 22, "per_image"),
    ("latency_s: 4", "latency_s: -4", 23, "latency_s"),
    ("speed: this machine", "speed: 1\n  workers: 0", 18, "workers"),
    ("speed: this machine", "speed: 1\n  workers: 1.5", 18, "workers"),
    ("speed: this machine", "speed: 1\n  cores: 0", 18, "cores"),
    ("speed: this machine", "speed: 1\n  memory_mib: 0", 18, "memory_mib"),
    ("speed: this machine", "speed: 1\n  other_per_month: -1", 18, "other_per_month"),
    ("speed: this machine", "seconds_per_image: 0", 17, "seconds_per_image"),
)


@pytest.mark.parametrize(("good", "bad", "line", "field"), BAD_VALUES)
def test_a_bad_value_is_named_with_its_line_and_what_belongs_there(
    good: str, bad: str, line: int, field: str, tmp_path: Path
) -> None:
    """The error names the line and the field, and the remedy says what the field is."""
    assert good in GOOD
    with pytest.raises(PriceError) as error:
        read(GOOD.replace(good, bad, 1), tmp_path)
    assert f"line {line}: " in error.value.problem
    assert field in error.value.problem
    assert error.value.remedy == f"Give {field}: {DESCRIPTIONS[field]}"


def test_every_field_is_tried_with_a_bad_value() -> None:
    """The table above leaves out no field that holds a number or a text."""
    tried = {field for _, _, _, field in BAD_VALUES}
    assert set(DESCRIPTIONS) - tried == {"images_per_hour", "offers", "demand", "schema_version"}


NEEDED = ("date", "currency", "name", "source", "purchase_price", "lifetime_years", "watts", "per_hour")
ALSO = ("electricity_per_kwh", "per_image", "latency_s", "kind")


@pytest.mark.parametrize("field", [*NEEDED, *ALSO])
def test_a_missing_field_is_named(field: str, tmp_path: Path) -> None:
    """What is needed and not there is named, with what it is."""
    kept = [line for line in GOOD.splitlines() if line.strip("- ").split(":")[0] != field]
    text = "\n".join(kept).replace("  kind: edge", "- kind: edge").replace("  source", "  source")
    if field == "name":
        text = text.replace("  kind: cpu", "- kind: cpu").replace("  kind: api", "- kind: api")
    with pytest.raises(PriceError) as error:
        read(text if field == "name" else "\n".join(kept), tmp_path)
    assert field in error.value.remedy
    assert DESCRIPTIONS[field] in error.value.remedy


# What is in the file, what the error says.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "a mapping is expected"),
    "a list": ("- a\n", "a mapping is expected"),
    "an alias bomb": ("a: &a [x, x]\nb: [*a, *a]\n", "line 2: an alias"),
    "deep": ("offers: " + "[" * 200_000, "line 1: nested too deeply"),
    "broken": ("date: [1,\n", "not YAML"),
    "Latin-1": (b"date: 2026-01-31\ncurrency: \xe9\n", "line 2: not UTF-8"),
    "an object of Python's": ("date: !!python/object/apply:os.getcwd []\n", "line 1: .*is read as"),
    "a truth": (GOOD.replace("name: box", "name: yes"), "line 5: 'yes' is read as bool"),
    "infinity": (GOOD.replace("watts: 45", "watts: .inf", 1), "line 11: '.inf' is read as float"),
    "no number": (GOOD.replace("watts: 45", "watts: .nan", 1), "line 11: '.nan' is read as float"),
    "a thousand with a line": (GOOD.replace("480", "1_480"), "line 9: '1_480' is read as int"),
    "an hour of the clock": (GOOD.replace("480", "4:80"), "line 9: .*purchase_price|line 9: '4:80'"),
    "a number too large": (GOOD.replace("480", "1" * 30), "line 9"),
    "a NUL": (GOOD.replace("name: box", 'name: "a\\0"'), "line 5: .*control character"),
    "half a character": (GOOD.replace("name: box", 'name: "\\ud800"'), "line 5|not YAML"),
    "a line in a name": (GOOD.replace("name: box", 'name: "a\\nb"'), "line 5: offers.0.name"),
    "a field twice": (GOOD + "currency: EUR\n", "line 24: currency stands there twice"),
    "a field of nobody's": (GOOD.replace("per_hour", "per_hours"), "line 18: .*per_hours"),
    "two of one name": (GOOD.replace("name: rented", "name: box"), "two offers are called 'box'"),
    "no offers": ("date: 2026-01-31\ncurrency: EUR\noffers: []\n", "line 3: offers"),
    "no speed": (GOOD.replace("  speed: 0.5\n", ""), "line 5: .*speed or seconds_per_image is needed"),
    "both speeds": (GOOD.replace("speed: 0.5", "speed: 0.5\n  seconds_per_image: 1"), "line 5: .*not both"),
    "more at rest": (GOOD.replace("idle_watts: 8.5", "idle_watts: 99"), "line 5: .*more than watts"),
    "23 hours": ("demand: {images_per_hour: [1, 2]}\n" + GOOD.replace("demand", "#"), "2 numbers, not 24"),
    "a silent day": (
        GOOD.replace("{mean: 40, peak_factor: 3}", "{images_per_hour: [" + "0," * 24 + "]}"),
        "line 3: demand: images_per_hour asks for less",
    ),
    "both demands": (
        GOOD.replace("{mean: 40", f"{{images_per_hour: {HOURS}, mean: 40"),
        "line 3: .*not both",
    ),
    "another version": ("schema_version: 2\n" + GOOD, "line 1: schema_version"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    """A damaged or hostile file is one PriceError of one line, with the file and a remedy, at once."""
    content, words = REFUSED[case]
    start = time.monotonic()
    with pytest.raises(PriceError, match=words) as error:
        read(content, tmp_path)
    assert time.monotonic() - start < 2.0
    assert str(error.value).startswith(str(tmp_path))
    assert error.value.remedy
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


def test_the_nearest_field_is_offered(tmp_path: Path) -> None:
    """A field that is misspelt is told the one that was meant."""
    with pytest.raises(PriceError, match="The nearest field is per_hour"):
        read(GOOD.replace("per_hour", "per_hours"), tmp_path)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    """More than 256 KiB are not read, wherever they come from; nor is a file that is not there."""
    (tmp_path / "huge.yaml").symlink_to("/dev/zero")
    with pytest.raises(PriceError, match=r"larger than 0\.2 MiB"):
        read_prices(tmp_path / "huge.yaml")
    with pytest.raises(PriceError, match="does not exist"):
        read_prices(tmp_path / "nowhere.yaml")


@given(data=st.binary(max_size=80) | st.text("date:ofers[]{}-\"'\n ,&*!|>#;17.", max_size=80).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_prices_or_a_price_error(data: bytes, tmp_path: Path) -> None:
    """Nothing but PriceError comes out of a file that holds no prices."""
    with suppress(PriceError):
        assert isinstance(read(data, tmp_path), Prices)


def test_old_prices_warn_with_their_day_and_future_ones_are_refused(tmp_path: Path) -> None:
    """Over 90 days is old, 90 is not; a day that has not come is an error."""
    found = read(GOOD, tmp_path)
    assert age_warnings(found, found.date + datetime.timedelta(days=90), 90) == ()
    [warning] = age_warnings(found, found.date + datetime.timedelta(days=91), 90)
    assert "2026-01-31, 91 days old" in warning
    with pytest.raises(PriceError, match="2026-01-31, which has not come"):
        age_warnings(found, datetime.date(2026, 1, 30), 90)


def test_an_example_that_nobody_replaced_warns() -> None:
    """Every offer that is still an example is named."""
    found = read_prices(EXAMPLE)
    [warning] = age_warnings(found, found.date, 90)
    assert all(offer.name in warning for offer in found.offers)
