"""Tables with less in them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.core.errors import ProgramError
from burnish.program import read_program, replay
from burnish.program.shorten import fewer_calls, stopped, unguided

from .conftest import SHAPE, denoiser


def _end(program: Any) -> np.ndarray:
    noise = np.random.default_rng(3).normal(size=SHAPE)
    return list(replay(program, noise, denoiser, lambda i: noise))[-1][1]


@pytest.mark.parametrize(("whole", "left"), [(50, 25), (50, 10), (8, 2), (6, 1)])
def test_leaving_calls_out_of_ddim_is_ddim_with_fewer_calls(
    sd: Callable[..., Any], whole: int, left: int
) -> None:
    """A table of 50 calls folded to 25 ends where a table of the same 25 timesteps does."""
    program = read_program(sd("DDIMScheduler"), whole)
    folded = fewer_calls(program, left)
    scheduler = sd("DDIMScheduler")
    kept = [int(t) for t in folded.timesteps]
    step = [program.timesteps.index(t) for t in kept]
    assert step == [round(k * whole / left) for k in range(left)]
    alphas = scheduler.alphas_cumprod.double().numpy()
    x = np.random.default_rng(3).normal(size=SHAPE)
    for t, after in zip(kept, [*kept[1:], None], strict=True):
        a, b = alphas[t], alphas[after] if after is not None else float(scheduler.final_alpha_cumprod)
        m = denoiser(0, x, float(t))
        clean = (x - np.sqrt(1 - a) * m) / np.sqrt(a)
        x = np.sqrt(b) * clean + np.sqrt(1 - b) * m
    assert _end(folded) == pytest.approx(x, rel=1e-5)  # its alphas are float32


def test_all_calls_kept_is_the_same_table(sd: Callable[..., Any]) -> None:
    """Folding nothing changes no number."""
    program = read_program(sd("UniPCMultistepScheduler"), 9)
    assert _end(fewer_calls(program, 9)) == pytest.approx(_end(program), rel=1e-12)


def test_a_stopped_table_ends_at_an_earlier_state(sd: Callable[..., Any]) -> None:
    """What is decoded is the state that the calls left out would have begun with."""
    program = read_program(sd("DPMSolverMultistepScheduler"), 7)
    noise = np.random.default_rng(3).normal(size=SHAPE)
    states = [x for _, x, _ in replay(program, noise, denoiser, lambda i: noise)]
    assert _end(stopped(program, 2)) == pytest.approx(states[5], rel=1e-12)


def test_no_guidance_is_one_pass_a_call(sd: Callable[..., Any]) -> None:
    """Every call has weight 1, and nothing else changes."""
    program = read_program(sd("DDIMScheduler"), 5).model_copy(update={"guidance": (7.5,) * 5})
    plain = unguided(program)
    assert (program.passes, plain.passes) == (10, 5)
    assert plain.rows == program.rows


def test_what_cannot_be_left_out_is_refused(sd: Callable[..., Any]) -> None:
    """No calls, more than there are, and fresh noise raise ProgramError."""
    program = read_program(sd("DDIMScheduler"), 5)
    for wrong in (0, 6):
        with pytest.raises(ProgramError):
            fewer_calls(program, wrong)
    for wrong in (0, 5):
        with pytest.raises(ProgramError):
            stopped(program, wrong)
    with pytest.raises(ProgramError, match="fresh noise"):
        fewer_calls(read_program(sd("EulerAncestralDiscreteScheduler"), 5), 3)
