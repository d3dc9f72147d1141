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
