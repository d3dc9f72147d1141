"""A Program run on any denoiser in numpy float64: the reference for verification, tests and calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from burnish.core.errors import ProgramError
from burnish.core.program import Program

Array = npt.NDArray[np.float64]
Model = Callable[[int, Array, float], Array]


def replay(
    program: Program,
    start: Array,
    model: Model,
    noise: Callable[[int], Array] | None = None,
    image: Array | None = None,
) -> Iterator[tuple[int, Array, Array | None]]:
    """Yields (i, x_i, m_i) for every call and (N, x_N, None) at the end, arrays of the shape of `start`.

    `start` is unit Gaussian noise; `image` is what an image-to-image program starts from;
    `model(i, scaled, timestep)` is the denoiser after guidance and sees input_scale[i] * x_i; `noise(i)` is
    the fresh unit noise of step i, asked for only in a stochastic program. Raises ProgramError if noise or
    an image is needed and missing.
    """
    if (noise is None and program.stochastic) or (image is None and program.image_scale != 0.0):
        raise ProgramError("This program needs fresh noise or an image, and got none", "Give noise and image")
    # Rows multiply x_T = x_0 / W[0,0], so an image enters every row through the same column as the noise.
    x_t = start if image is None else start + program.image_scale / program.rows[0].start * image
    outputs, noises = np.zeros((2, program.calls, *start.shape))
    for i, row in enumerate(program.rows):
        x = row.start * x_t + np.tensordot(row.outputs, outputs[:i], 1)
        if row.noises:
            x = x + np.tensordot(row.noises, noises[:i], 1)
        if i == program.calls:
            yield i, x, None
            return
        outputs[i] = model(i, program.input_scale[i] * x, program.timesteps[i])
        if noise is not None and program.stochastic:
            noises[i] = noise(i)
        yield i, x, outputs[i].copy()
