"""The table E: which calls compute deep features, and of which others' the rest make their own."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row
from burnish.program.deep import Moments, influence, loss, reused


def program(guidance: tuple[float, ...], last: tuple[float, ...] | None = None) -> Program:
    """A table of so many calls whose result is moved by each as `last` says."""
    n = len(guidance)
    rows = [Row(start=1.0, outputs=(1.0,) * i) for i in range(n)]
    return Program(
        timesteps=tuple(range(n, 0, -1)),
        input_scale=(1.0,) * n,
        guidance=guidance,
        estimate=((1.0, 1.0),) * n,
        rows=(*rows, Row(start=1.0, outputs=last or (1.0,) * n)),
    )


def moments(*features: np.ndarray) -> Moments:
    """Of features (calls, numbers), a pass each."""
    return Moments(passes=tuple(f @ f.T / f.shape[1] for f in features))


def test_features_on_a_line_are_foretold() -> None:
    """Two fresh calls foretell the next of their line, as Taylor does to first order: 2 b - a."""
    rng = np.random.default_rng(0)
    a, step = rng.standard_normal((2, 32))
    line = np.array([a + i * step for i in range(3)])
    found = reused(program((1.0,) * 3), moments(line), 2)
    assert found.deep[:2] == ((1.0,), (0.0, 1.0))
    assert found.deep[2] == pytest.approx((-1.0, 2.0, 0.0), abs=1e-3)


def test_features_that_stay_are_kept() -> None:
    """Where nothing changes one fresh call serves all, and as many as are asked for are fresh."""
    same = np.tile(np.random.default_rng(1).standard_normal(16), (6, 1))
    found = reused(program((1.0,) * 6), moments(same), 1)
    assert [sum(row) for row in found.deep] == pytest.approx([1.0] * 6, abs=1e-3)
    assert [found.fresh(i) for i in range(6)] == [True] + [False] * 5


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fresh=st.integers(1, 6))
def test_the_best_single_exchange_has_been_made(seed: int, fresh: int) -> None:
    """No choice that moves one fresh call between its neighbours loses less."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.standard_normal((7, 24)), axis=0)
    table = program((2.0,) * 4 + (1.0,) * 3, tuple(rng.uniform(0.1, 1.0, 7)))
    known, weights = moments(walk, np.concatenate([walk[:4], np.zeros((3, 24))])), influence(table)
    found = reused(table, known, fresh)
    chosen = tuple(i for i in range(7) if found.fresh(i))
    assert chosen[0] == 0
    assert len(chosen) == fresh
    least = loss(table, known, weights, chosen)
    for place in range(1, fresh):
        around = (*chosen[place - 1 : place], *(chosen[place + 1 : place + 2] or (7,)))
        for other in range(around[0] + 1, around[1]):
            moved = (*chosen[:place], other, *chosen[place + 1 :])
            assert loss(table, known, weights, moved) >= least * (1 - 1e-6)


def test_where_features_jump_a_call_is_fresh() -> None:
    """Of all choices of two calls, the one right after a jump is found."""
    rng = np.random.default_rng(3)
    before, after = rng.standard_normal((2, 32))
    jump = np.array([before] * 5 + [after] * 3)
    table = program((1.0,) * 8)
    found = reused(table, moments(jump), 2)
    assert [i for i in range(8) if found.fresh(i)] == [0, 5]
    losses = {c: loss(table, moments(jump), influence(table), (0, *c)) for c in combinations(range(1, 8), 1)}
    assert min(losses, key=losses.__getitem__) == (5,)


def test_calls_that_move_the_picture_count_more() -> None:
    """Of two equal jumps, the one that the result hangs on decides which call is fresh."""
    rng = np.random.default_rng(4)
    a, b, c = rng.standard_normal((3, 64))
    jumps = np.array([a, a, b, b, c, c])
    for heavy, expected in ((slice(2, 4), 2), (slice(4, 6), 4)):
        last = np.full(6, 0.1)
        last[heavy] = 1.0
        found = reused(program((1.0,) * 6, tuple(last)), moments(jumps), 2)
        assert [i for i in range(6) if found.fresh(i)] == [0, expected]


def test_a_number_that_cannot_be_is_refused() -> None:
    """No fresh call at all, or more than there are."""
    for fresh in (0, 4):
        with pytest.raises(ProgramError, match=f"fresh_calls is {fresh} of 3 calls"):
            reused(program((1.0,) * 3), moments(np.eye(3)), fresh)
