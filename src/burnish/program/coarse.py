"""A table with some of its calls alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from burnish.core.program import Program, Row


def coarse(program: Program, places: Sequence[int]) -> Program:
    """The program with its calls `places` (rising) alone, each output standing for those left out after it.

    For DDIM that is DDIM on these timesteps, since its step is exact while the output stays the same (Song et
    al., "Denoising diffusion implicit models", ICLR 2021, equation 14). Outputs before the first place, where
    it is not 0, are the first one's. Every call that is left computes its own deep features.
    """
    n = program.calls
    stands_for = np.maximum(np.searchsorted(places, np.arange(n), side="right") - 1, 0)
    rows = [_folded(program.rows[i], stands_for, k) for k, i in enumerate([*places, n])]
    return Program(
        timesteps=tuple(program.timesteps[k] for k in places),
        input_scale=tuple(program.input_scale[k] for k in places),
        guidance=tuple(program.guidance[k] for k in places),
        estimate=tuple(program.estimate[k] for k in places),
        rows=tuple(rows),
        image_scale=program.image_scale,
        source=f"{program.source}, {len(places)} calls of it",
    )


def _folded(row: Row, stands_for: np.ndarray, outputs: int) -> Row:
    """A row whose outputs are summed by the call that stands for each; before any call there is none."""
    if not outputs:
        return Row(start=row.start)
    place = stands_for[: len(row.outputs)]
    return Row(start=row.start, outputs=tuple(np.bincount(place, weights=row.outputs, minlength=outputs)))
