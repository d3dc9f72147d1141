"""The loop that runs a Program. It knows no solver's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from burnish.core.program import Program, Row

Array = NDArray[np.float32]


def combine(row: Row, start: Array, outputs: list[Array], fresh: Callable[[int], Array]) -> Array:
    """x_i of a row, summed in double precision: long tables cancel."""
    x = row.start * start.astype(np.float64)
    for coefficient, output in zip(row.outputs, outputs, strict=True):
        if coefficient:
            x += coefficient * output
    for j, coefficient in enumerate(row.noises):
        if coefficient:
            x += coefficient * fresh(j)
    return x.astype(np.float32)


def sample(
    program: Program,
    start: Array,
    denoise: Callable[[int, Array, Array], Array],
    fresh: Callable[[int], Array],
) -> Iterator[tuple[int, Array, Array]]:
    """Yields (i, x_i, clean estimate) for each call, then (N, x_N, x_N).

    `denoise(i, x_i, input_scale[i] * x_i)` gives m_i after guidance; `fresh(j)` the noise of step j.
    """
    outputs: list[Array] = []
    for i in range(program.calls):
        x = combine(program.rows[i], start, outputs, fresh)
        m = denoise(i, x, (program.input_scale[i] * x).astype(np.float32))
        outputs.append(m)
        a, b = program.estimate[i]
        yield i, x, (a * x + b * m).astype(np.float32)
    x = combine(program.rows[-1], start, outputs, fresh)
    yield program.calls, x, x
