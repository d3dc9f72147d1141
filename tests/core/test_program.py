"""A Program is a lower triangular table of finite numbers, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from burnish.core.program import Program, Row

NAN, INF = float("nan"), float("inf")


def fields(calls: int = 2) -> dict[str, Any]:
    """A deterministic table of ones."""
    return {
        "timesteps": (1.0,) * calls,
        "input_scale": (1.0,) * calls,
        "guidance": (1.0,) * calls,
        "estimate": ((1.0, 1.0),) * calls,
        "rows": tuple(Row(start=1.0, outputs=(1.0,) * i) for i in range(calls + 1)),
    }


ROWS = fields()["rows"]
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no calls": (fields(0), "at least one call"),
    "an output of its own call": ({"rows": (Row(start=1.0, outputs=(1.0,)), *ROWS[1:])}, "row 0 must have 0"),
    "an output of a later call": (
        {"rows": (*ROWS[:1], Row(start=1.0, outputs=(1.0, 1.0)), *ROWS[2:])},
        "row 1 must have 1",
    ),
    "an output missing": ({"rows": (*ROWS[:2], Row(start=1.0, outputs=(1.0,)))}, "row 2 must have 2"),
    "a noise of a later step": (
        {"rows": (*ROWS[:1], Row(start=1.0, outputs=(1.0,), noises=(1.0, 1.0)), *ROWS[2:])},
        "row 1 must have 1",
    ),
    "a row missing": ({"rows": ROWS[:2]}, "2 calls need 3 rows, found 2"),
    "a row too many": ({"rows": (*ROWS, ROWS[2])}, "found 4"),
    "uneven columns": ({"guidance": (1.0,)}, "must all have 2 entries"),
    "infinite start": ({"rows": (Row.model_construct(start=INF), *ROWS[1:])}, "finite"),
    "NaN timestep": ({"timesteps": (1.0, NAN)}, "finite"),
    "NaN estimate": ({"estimate": ((1.0, 1.0), (1.0, NAN))}, "finite"),
    "infinite guidance": ({"guidance": (INF, 1.0)}, "finite"),
    "an immense input": ({"input_scale": (1.0, 1e300)}, "no further than 1e.12 from 0"),
    "an immense timestep": ({"timesteps": (-1e13, 1.0)}, "no further than"),
    "an immense output": ({"rows": (*ROWS[:2], Row(start=1.0, outputs=(1.0, -2e12)))}, "no further than"),
    "a picture over no noise": (
        {"image_scale": 1.0, "rows": (Row(start=0.0), *ROWS[1:])},
        "the start of row 0",
    ),
    "infinite image scale": ({"image_scale": -INF}, "finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused(name: str) -> None:
    """Every way not to be lower triangular, complete and finite raises and says which."""
    changes, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        Program(**(fields() | changes))


def test_nearly_pure_noise_is_a_table() -> None:
    """Schedulers that divide by next to no signal have large numbers, and are tables all the same."""
    program = Program(**(fields() | {"estimate": ((6.2e8, -6.2e8), (1.0, 1.0))}))
    assert program.estimate[0] == (6.2e8, -6.2e8)


def test_costs_and_chance_are_read_from_the_table() -> None:
    """A guided call is two passes, weight 1 is one; a noise counts when its coefficient is not zero."""
    program = Program(**(fields() | {"guidance": (7.5, 1.0)}))
    assert (program.calls, program.passes, program.stochastic) == (2, 3, False)
    for noise, chance in ((0.0, False), (0.5, True)):
        rows = (ROWS[0], Row(start=1.0, outputs=(1.0,), noises=(noise,)), ROWS[2])
        assert Program(**(fields() | {"rows": rows})).stochastic is chance


def table(*deep: tuple[float, ...], guidance: tuple[float, ...] = (2.0, 2.0, 1.0)) -> dict[str, Any]:
    """Three calls whose deep features are made as these rows say."""
    return {**fields(3), "guidance": guidance, "deep": deep}


DEEP: dict[str, tuple[dict[str, Any], str]] = {
    "too few rows": (table((1.0,), (0.0, 1.0)), "deep must have 3 rows or none, found 2"),
    "a stale first call": (table((0.0,), (0.0, 1.0), (0.0, 0.0, 1.0)), "row 0 of deep must be a 1"),
    "half fresh": (table((1.0,), (0.5, 0.5), (0.0, 0.0, 1.0)), "row 1 of deep must be 1 zeros and a 1"),
    "fresh and more": (table((1.0,), (0.5, 1.0), (0.0, 0.0, 1.0)), "row 1 of deep must be"),
    "of a stale call": (table((1.0,), (1.0, 0.0), (0.0, 1.0, 0.0)), "row 2 of deep uses call 1, which"),
    "of the other pass": (
        table((1.0,), (1.0, 0.0), (0.0, 0.0, 1.0), guidance=(1.0, 2.0, 2.0)),
        "row 1 of deep is guided, but uses call 0, which is not",
    ),
    "no number": (table((1.0,), (NAN, 0.0), (0.0, 0.0, 1.0)), "finite"),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_features_come_from_earlier_calls_that_compute_them(name: str) -> None:
    """A row of E that is neither fresh nor made of what is kept raises and says which."""
    changes, words = DEEP[name]
    with pytest.raises(ValueError, match=words):
        Program(**changes)


def test_passes_that_compute_deep_features_are_counted() -> None:
    """Two passes a guided call, of which a stale one computes none; without E all do."""
    program = Program(**table((1.0,), (1.0, 0.0), (0.25, 0.0, 0.0)))
    assert (program.passes, program.fresh_passes) == (5, 2)
    assert [program.fresh(i) for i in range(3)] == [True, False, False]
    assert Program(**table()).fresh_passes == 5
