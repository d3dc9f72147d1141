"""Joules of a run: from the processor's counters where they can be read, else estimated and said to be."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from burnish.core.errors import BurnishError

POWERCAP = Path("/sys/class/powercap")
WATTS_VARIABLE = "BURNISH_CORE_WATTS"
CORE_WATTS = 8.0  # see `estimate`
MOST_WATTS = 1000.0
Reading = tuple[int, ...]  # microjoules, one a counter


class Energy(NamedTuple):
    """Joules, and how they are known."""

    energy_j: float
    energy_from: str


@dataclass(frozen=True)
class Counter:
    """One RAPL counter of microjoules; it starts again from 0 after `range_uj`."""

    path: Path
    name: str
    range_uj: int


@dataclass(frozen=True)
class Meter:
    """The counters of all packages of this machine."""

    counters: tuple[Counter, ...]

    @property
    def energy_from(self) -> str:
        """What people read: the counters see all work of the machine, not this program's alone."""
        return f"RAPL counters of {', '.join(c.name for c in self.counters)}, other work included"

    def read(self) -> Reading | None:
        """Microjoules of each counter so far; None where one cannot be read any more."""
        found = [_number(counter.path / "energy_uj") for counter in self.counters]
        return None if None in found else tuple(f for f in found if f is not None)

    def joules(self, before: Reading | None, after: Reading | None) -> float | None:
        """Joules between two readings, each counter started again once at most; None where a reading is None.

        A package's range is some 260 kJ, which a server draws in half an hour and more: measure shorter runs.
        """
        if before is None or after is None:
            return None
        ranges = (counter.range_uj for counter in self.counters)
        spent = (b - a if b >= a else b - a + r for a, b, r in zip(before, after, ranges, strict=True))
        return sum(spent) * 1e-6


def energy_meter(root: Path = POWERCAP) -> Meter | None:
    """The processor's own counters; None where the machine has none or lets only its administrator read them.

    RAPL ("running average power limit", Intel and AMD) as Linux's powercap shows it: folders intel-rapl:N
    whose `name` begins with "package". Folders inside a package (cores, memory) would count twice, psys holds
    the rest of the machine, and packages in part would say too little: all of them, or None.
    """
    outer = [folder for folder in sorted(root.glob("intel-rapl:*")) if folder.name.count(":") == 1]
    packages = [folder for folder in outer if _text(folder / "name").startswith("package")]
    counters = [
        Counter(folder, _text(folder / "name"), range_uj)
        for folder in packages
        if (range_uj := _number(folder / "max_energy_range_uj")) and _number(folder / "energy_uj") is not None
    ]
    return Meter(tuple(counters)) if counters and len(counters) == len(packages) else None


def estimate(cpu_s: float, watts: float | None = None) -> Energy:
    """CPU-seconds times what a busy core is taken to draw: `watts`, else BURNISH_CORE_WATTS, else 8 W.

    The 8 W are an assumption of ours, not a measurement: thermal design power over cores is 4.4 W (AMD EPYC
    7763: 280 W, 64 cores), 6.8 W (Intel Xeon Platinum 8380: 270 W, 40 cores) to 15.6 W (Intel Core
    i7-11700K: 125 W, 8 cores), and 8 W is near the geometric middle. Memory, disks and idle cores are left
    out. So a ratio of two estimates is a ratio of CPU-seconds and no more. Raises BurnishError for watts that
    are not above 0 and at most 1000.
    """
    stated = os.environ.get(WATTS_VARIABLE, CORE_WATTS) if watts is None else watts
    try:
        each = float(stated)
    except ValueError:
        each = math.nan
    if not 0 < each <= MOST_WATTS:
        raise BurnishError(
            f"{stated!r:.40} is no number of watts of a busy core",
            f"Set {WATTS_VARIABLE} to a number above 0 and at most {MOST_WATTS:g}, or unset it",
        )
    return Energy(cpu_s * each, f"estimated at {each:g} W a busy core")


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path) -> int | None:
    """A counter's value; None where it cannot be read or is no whole number of at least 0."""
    text = _text(path)
    return int(text) if text.isascii() and text.isdigit() else None
