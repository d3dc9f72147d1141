"""Amounts as people type and read them: "2s", "800ms", "1GiB"."""

from __future__ import annotations

import re

from burnish.core.errors import BurnishError

SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
MEBIBYTES = {"KiB": 2**-10, "MiB": 1.0, "GiB": 2**10, "kB": 1e3 / 2**20, "MB": 1e6 / 2**20, "GB": 1e9 / 2**20}


def _parse(text: str, units: dict[str, float], what: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", text)
    if match is None or match[2] not in units:
        raise BurnishError(f"{text!r} is no {what}", f"Write a number and one of {', '.join(units)}")
    return float(match[1]) * units[match[2]]


def parse_seconds(text: str) -> float:
    """Seconds from "800ms", "2s", "1.5min"; raises BurnishError."""
    return _parse(text, SECONDS, "duration")


def parse_mib(text: str) -> float:
    """Mebibytes from "512MiB", "1GiB", "40MB"; raises BurnishError."""
    return _parse(text, MEBIBYTES, "amount of memory")


def show_seconds(seconds: float) -> str:
    """Milliseconds below a second ("850 ms"), seconds above ("1.25 s")."""
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def show_mib(mib: float) -> str:
    """Mebibytes below a gibibyte ("38.1 MiB"), gibibytes above ("1.20 GiB")."""
    return f"{mib:.1f} MiB" if mib < 1024 else f"{mib / 1024:.2f} GiB"
