"""Which calls compute deep features, and of which others' the rest make their own: the table E, fitted.

Deep features change slowly between calls (Ma et al., DeepCache, arXiv 2312.00858), and where they move, they
move nearly along a line, so a few earlier ones foretell them (Liu et al., TaylorSeer, arXiv 2503.06923). All
that a choice of calls loses follows from the inner products of the features of one run in which every call
computed its own: each row of E is then a least-squares problem of two or three numbers, and no choice needs
another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import ProgramError
from burnish.core.program import Program

Gram = NDArray[np.float64]
HISTORY = 3  # of the last fresh calls a stale one is made of
RIDGE = 1e-6  # of the features' size: neighbours are nearly parallel


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Mean inner products <d_i, d_j> (calls, calls) of deep features, of the conditional and the other pass.

    The unconditional pass has rows for guided calls only; the others are 0.
    """

    passes: tuple[Gram, ...]


def reused(program: Program, moments: Moments, fresh_calls: int) -> Program:
    """The program with the table E of `fresh_calls` calls that compute deep features; the best that is found.

    Calls are exchanged one by one, from an even spread on, while what is lost shrinks: the squared error of
    each stale call's features, weighed by what the call moves the picture. Raises ProgramError where
    `fresh_calls` is not 1 to the program's calls, and where they are too few for a guided interval.
    """
    n = program.calls
    if not 1 <= fresh_calls <= n:
        raise ProgramError(
            f"fresh_calls is {fresh_calls} of {n} calls", f"Give 1 to {n}, or 0 for all of them"
        )
    weights = influence(program)
    chosen = _even(n, fresh_calls)
    least = loss(program, moments, weights, chosen)
    improved = True
    while improved:
        improved = False
        for place in range(1, len(chosen)):
            low = chosen[place - 1] + 1
            high = chosen[place + 1] if place + 1 < len(chosen) else n
            for other in range(low, high):
                tried = (*chosen[:place], other, *chosen[place + 1 :])
                found = loss(program, moments, weights, tried)
                if found < least * (1 - 1e-9):
                    chosen, least, improved = tried, found, True
    if not np.isfinite(least):
        raise ProgramError(
            f"{fresh_calls} fresh calls leave a guided call without one before it that is guided",
            "Take more of them, or guide from the first call on",
        )
    rows = [_row(program, moments, chosen, i)[0] for i in range(n)]
    return program.model_copy(update={"deep": tuple(rows)})


def influence(program: Program) -> NDArray[np.float64]:
    """(calls,) how far an error of each call's output moves the result, squared: the last row of W."""
    last = np.array(program.rows[-1].outputs)
    return np.square(last) / np.square(last).sum()


def loss(program: Program, moments: Moments, weights: NDArray[np.float64], chosen: Sequence[int]) -> float:
    """What is lost where `chosen` calls are fresh: relative squared errors of the others, weighed."""
    stale = (i for i in range(program.calls) if i not in chosen)
    return float(sum(weights[i] * _row(program, moments, chosen, i)[1] for i in stale))


def _even(calls: int, fresh: int) -> tuple[int, ...]:
    return tuple(sorted({round(k * calls / fresh) for k in range(fresh)}))


def _row(
    program: Program, moments: Moments, chosen: Sequence[int], i: int
) -> tuple[tuple[float, ...], float]:
    """Row i of E, and the relative squared error of what it makes."""
    row = np.zeros(i + 1)
    if i in chosen:
        row[i] = 1.0
        return tuple(row.tolist()), 0.0
    guided = program.guidance[i] != 1.0
    # A guided call needs both passes' features, and an unguided one leaves but one.
    usable = [j for j in chosen if j < i and (not guided or program.guidance[j] != 1.0)]
    if not usable:
        return tuple(row.tolist()), np.inf
    last = usable[-HISTORY:]
    grams = moments.passes if guided else moments.passes[:1]
    size = sum(float(g[i, i]) for g in grams)
    square = sum(g[np.ix_(last, last)] for g in grams)
    cross = sum(g[last, i] for g in grams)
    found = np.linalg.solve(square + RIDGE * size * np.eye(len(last)), cross)
    row[last] = found
    error = size - 2 * found @ cross + found @ square @ found
    return tuple(row.tolist()), max(float(error) / size, 0.0)
