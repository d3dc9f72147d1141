"""The solver's table W fitted anew to what cached calls give: its rows mend what stale features leave out.

A call with stale deep features gives another output than a fresh one, and in much the same way for every
picture, so other numbers in the rows lead back to the states of the run without caching. Each row is a
linear least-squares problem once those before it stand, as in `student` (Frankel et al., S4S, arXiv
2502.17423). Q-Sched (arXiv 2509.01624) fits a sampler's numbers to a quantized model, this to a cached one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row
from burnish.program.least_squares import fit_row
from burnish.program.trajectories import Array, Single, combine, relative

RIDGES = (1e-4, 1e-2, 1.0)
# denoise(i, input_scale[i] * x_i) -> m_i, called for i = 0, 1, ... in turn, and then from 0 on again.
Cached = Callable[[int, Single], Single]


@dataclass(frozen=True, kw_only=True)
class Refit:
    """The table, whether it is a fitted one, and how far the endpoints of what it was not fitted to are.

    `error` and `before`, with the rows as they were, are root mean square differences from the endpoints of
    the run without caching, relative to those.
    """

    program: Program
    chosen: bool
    error: float
    before: float


def refitted(program: Program, start: Single, states: Sequence[Array], denoise: Cached) -> Refit:
    """`program` with rows fitted to `states` (calls + 1, n, ...) of a run without caching.

    `start` (n, ...) is the unit noise of both, `denoise` runs the cached calls of all n pictures. Every other
    picture teaches, the rest judge: where the rows as they were are nearer on these, they stay. Raises
    ProgramError for fewer than two pictures, for a table that draws noise or begins with a picture, and where
    an output is not finite.
    """
    if program.stochastic or program.image_scale:
        raise ProgramError("A table that draws noise or starts from a picture is not fitted", "Use DDIM")
    if len(start) < 2:
        raise ProgramError("Of one picture nothing is left to judge a table by", "Give two or more")
    taught = np.arange(len(start)) % 2 == 0
    runs = [_run(program, start, states, denoise, taught, ridge) for ridge in (None, *RIDGES)]
    best = min(range(len(runs)), key=lambda k: runs[k][1])  # the rows as they were, of equals
    rows, error = runs[best]
    source = f"{program.source}, rows fitted to cached calls" if best else program.source
    found = program.model_copy(update={"rows": rows, "source": source})
    return Refit(program=found, chosen=best > 0, error=error, before=runs[0][1])


def _run(
    program: Program,
    start: Single,
    states: Sequence[Array],
    denoise: Cached,
    taught: np.ndarray,
    ridge: float | None,
) -> tuple[tuple[Row, ...], float]:
    """The rows fitted with a ridge, or as they are for None, and their error on what is not taught."""
    rows: list[Row] = []
    outputs: list[Single] = []
    for i, prior in enumerate(program.rows):
        fits = ridge is not None and i > 0  # the first row is the start itself
        rows.append(_row(prior, start, outputs, states[i], taught, ridge or 0.0) if fits else prior)
        x = combine(rows[i], start, outputs)
        if i < program.calls:
            outputs.append(_finite(denoise(i, (program.input_scale[i] * x).astype(np.float32))))
    return tuple(rows), relative(x[~taught], states[-1][~taught])


def _row(
    prior: Row, start: Single, outputs: Sequence[Single], state: Array, taught: np.ndarray, ridge: float
) -> Row:
    basis = np.stack([a[taught].ravel() for a in (start, *outputs)]).astype(np.float64)
    numbers = fit_row(basis, state[taught].ravel(), np.array([prior.start, *prior.outputs]), ridge)
    return Row(start=float(numbers[0]), outputs=tuple(numbers[1:].tolist()))


def _finite(output: Single) -> Single:
    if not np.isfinite(output).all():
        raise ProgramError("A cached call gave numbers that are not finite", "Use the model in fp32")
    return output
