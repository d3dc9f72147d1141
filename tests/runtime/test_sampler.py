"""The loop that runs a Program against the float64 reference, on tables that no scheduler has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.program import Program, Row
from burnish.program import replay
from burnish.runtime.sampler import sample

SHAPE = (2, 3, 4, 4)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random triangular table of one to six calls, with or without fresh noise."""
    n = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    stochastic = draw(st.booleans())
    # some zeros: they skip work in the loop, and must not skip more
    numbers = lambda k: tuple((rng.normal(size=k) * rng.integers(0, 2, k)).tolist())  # noqa: E731
    return Program(
        timesteps=tuple(rng.uniform(0, 999, n).tolist()),
        input_scale=tuple(rng.uniform(0.1, 1, n).tolist()),
        guidance=(1.0,) * n,
        estimate=tuple(zip(numbers(n), numbers(n), strict=True)),
        rows=tuple(
            Row(start=float(rng.normal()), outputs=numbers(i), noises=numbers(i) if stochastic else ())
            for i in range(n + 1)
        ),
    )


@given(program=programs(), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_sampling_is_replay(program: Program, seed: int) -> None:
    """Every state, and every clean estimate, equals what the table says, to float32."""
    rng = np.random.default_rng(seed)
    start = rng.normal(size=SHAPE).astype(np.float32)
    fresh = rng.normal(size=(program.calls, *SHAPE)).astype(np.float32)

    def denoise(i: int, x: np.ndarray) -> np.ndarray:
        return np.sin(x + program.timesteps[i])

    ours = list(
        sample(program, start, lambda i, x, scaled: denoise(i, scaled).astype(np.float32), lambda j: fresh[j])
    )
    theirs = list(
        replay(program, start.astype(np.float64), lambda i, x, t: denoise(i, x), lambda i: fresh[i])
    )
    assert [i for i, _, _ in ours] == list(range(program.calls + 1))
    for (i, x, clean), (_, expected, output) in zip(ours, theirs, strict=True):
        assert x.dtype == np.float32
        scale = 1 + np.abs(expected).max()
        assert x == pytest.approx(expected, abs=2e-4 * scale)
        a, b = program.estimate[i] if output is not None else (1.0, 0.0)
        believed = a * expected + (b * output if output is not None else 0.0)
        assert clean == pytest.approx(believed, abs=1e-3 * scale)
