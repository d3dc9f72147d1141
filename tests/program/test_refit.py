"""The table W fitted anew to cached calls: what stale features leave out is mended, or the rows stay."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row
from burnish.program.refit import Cached, refitted
from burnish.program.trajectories import combine, relative

CALLS, PICTURES = 5, 12
START = np.random.default_rng(0).standard_normal((PICTURES, 3, 4)).astype(np.float32)


def euler(**changes: object) -> Program:
    """Steps of a fifth of each output, the third call on the features of the second, and so on."""
    fields = {
        "timesteps": tuple(range(CALLS, 0, -1)),
        "input_scale": (1.0,) * CALLS,
        "guidance": (1.0,) * CALLS,
        "estimate": ((1.0, 1.0),) * CALLS,
        "rows": tuple(Row(start=1.0, outputs=(0.2,) * i) for i in range(CALLS + 1)),
    }
    return Program.model_validate(fields | changes)


def fresh(i: int, x: np.ndarray) -> np.ndarray:
    """What a call gives that computes all: no multiple of its input."""
    return np.tanh(2 * x + 0.3 * i).astype(np.float32)


def states(program: Program) -> list[np.ndarray]:
    """Those of the run in which every call is fresh."""
    outputs: list[np.ndarray] = []
    found = []
    for i, row in enumerate(program.rows):
        found.append(combine(row, START, outputs))
        outputs += [fresh(i, found[i].astype(np.float32))] * (i < CALLS)
    return found


def end(program: Program, denoise: Cached) -> np.ndarray:
    """The endpoint of a table."""
    outputs: list[np.ndarray] = []
    for i in range(CALLS):
        outputs.append(denoise(i, combine(program.rows[i], START, outputs).astype(np.float32)))
    return combine(program.rows[-1], START, outputs)


def faded(i: int, x: np.ndarray) -> np.ndarray:
    """A call that loses half of its output where it is stale."""
    return fresh(i, x) * np.float32(0.5 if i % 2 else 1.0)


def test_what_every_stale_call_loses_is_made_up_for() -> None:
    """Outputs that are half of what they should be weigh twice as much; the endpoint is met to 1%."""
    found = refitted(euler(), START, states(euler()), faded)
    assert found.chosen
    assert found.error < 0.01 * found.before
    exact, held = states(euler())[-1], np.arange(PICTURES) % 2 == 1
    assert relative(end(found.program, faded)[held], exact[held]) == pytest.approx(found.error, rel=1e-3)
    assert found.program.rows[2].outputs == pytest.approx((0.2, 0.4), rel=1e-2)
    assert found.program.rows[0] == euler().rows[0]
    assert found.program.source.endswith("rows fitted to cached calls")


def test_rows_stay_where_nothing_is_lost() -> None:
    """Calls that are as good as fresh leave the table as it was."""
    found = refitted(euler(), START, states(euler()), fresh)
    assert not found.chosen
    assert found.program == euler()
    assert found.error == found.before < 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_no_table_is_taken_that_does_worse_on_the_rest(seed: int) -> None:
    """Losses that differ from picture to picture teach nothing: the error on those that judge never grows."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((CALLS, *START.shape)).astype(np.float32)
    found = refitted(euler(), START, states(euler()), lambda i, x: fresh(i, x) + noise[i])
    assert found.error <= found.before
    assert found.chosen == (found.error < found.before)


def test_what_cannot_be_fitted_is_refused() -> None:
    """Fresh noise, a single picture, and outputs that are not finite."""
    rows = tuple(Row(start=1.0, outputs=(0.2,) * i, noises=(0.1,) * i) for i in range(CALLS + 1))
    known = states(euler())
    with pytest.raises(ProgramError, match="draws noise"):
        refitted(euler(rows=rows), START, known, fresh)
    with pytest.raises(ProgramError, match="one picture"):
        refitted(euler(), START[:1], [x[:1] for x in known], fresh)
    with pytest.raises(ProgramError, match="not finite"):
        refitted(euler(), START, known, lambda i, x: x * np.float32(np.nan))
