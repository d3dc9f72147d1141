"""Units: what counts once. All variants of a prompt are one, since they are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.measure.pictures import Flags, Values

Units = NDArray[np.int64]  # (prompts,) the number of each prompt's unit, from 0 in order of appearance


def number_units(names: Sequence[str]) -> Units:
    """The unit of each prompt as a number, by the name that it shares with its variants."""
    order = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], dtype=np.int64)


def evenly(count: int, most: int) -> list[int]:
    """Places of at most `most` of `count` things, evenly over them: suites are often sorted by kind."""
    places = np.linspace(0, count - 1, min(count, most)).round().astype(int)
    return [int(place) for place in np.unique(places)]


def by_unit(values: Values, units: Units) -> Values:
    """(units,) means of values (prompts,): every unit counts once, however many variants it has."""
    return np.asarray(np.bincount(units, weights=values) / np.bincount(units))


def any_by_unit(flags: Any, units: Units) -> Flags:
    """(units,) whether any prompt of the unit has the flag, of (prompts,)."""
    return np.asarray(np.bincount(units, weights=flags) > 0)
