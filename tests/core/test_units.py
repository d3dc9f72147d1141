"""Amounts as people type and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import BurnishError
from burnish.core.units import parse_mib, parse_seconds, show_mib, show_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2.0), ("800ms", 0.8), ("1.5min", 90.0), (" 3 h ", 10800.0), ("0s", 0.0), ("007s", 7.0)],
)
def test_durations(text: str, seconds: float) -> None:
    """Milliseconds to hours, with or without a blank."""
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512MiB", 512.0), ("1GiB", 1024.0), ("2048KiB", 2.0), ("1GB", 1e9 / 2**20), ("8kB", 8e3 / 2**20)],
)
def test_memory(text: str, mib: float) -> None:
    """Powers of two and of ten are told apart."""
    assert parse_mib(text) == pytest.approx(mib)


@pytest.mark.parametrize(
    "text", ["", "2", "s", "-1s", "2 weeks", "1e3s", "2s3", "nans", "infs", ".5s", "1,5s", "2S", "2\ns\n!"]
)
def test_no_duration(text: str) -> None:
    """Anything else is refused with the text and the units there are."""
    with pytest.raises(BurnishError, match=r"no duration.*ms, s, min, h") as error:
        parse_seconds(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["1", "1Gib", "1gb", "1B", "MiB", "-1MiB", "1s"])
def test_no_amount_of_memory(text: str) -> None:
    """A unit is spelled one way; everything else is refused."""
    with pytest.raises(BurnishError, match=r"no amount of memory.*GiB"):
        parse_mib(text)


@given(st.floats(0, 1e6))
def test_what_is_shown_is_what_is_meant(amount: float) -> None:
    """Shown amounts parse back to within the digits shown."""
    assert parse_seconds(show_seconds(amount)) == pytest.approx(
        amount, abs=0.0051 if amount >= 0.9995 else 0.00051
    )
    assert parse_mib(show_mib(amount)) == pytest.approx(amount, abs=0.051 if amount < 1024 else 5.2)
