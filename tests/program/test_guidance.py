"""Guidance weights of a program."""

import pytest

from burnish.core.errors import ProgramError
from burnish.core.program import Program
from burnish.program import guided, make_scheduler, read_program


@pytest.fixture(scope="module")
def program() -> Program:
    """Ten calls of DDIM."""
    return read_program(make_scheduler("DDIMScheduler", {}, clip_sample=False), 10)


@pytest.mark.parametrize(
    ("interval", "calls"),
    [
        ((0.0, 1.0), range(10)),
        ((0.2, 0.5), range(2, 5)),
        ((0.15, 0.5), range(2, 5)),
        ((0.9, 1.0), range(9, 10)),
    ],
)
def test_guides_the_interval(program: Program, interval: tuple[float, float], calls: range) -> None:
    """Call i of N is guided where low <= i/N < high, the others are conditional alone; the table stays."""
    made = guided(program, 7.5, interval)
    assert made.guidance == tuple(7.5 if i in calls else 1.0 for i in range(10))
    assert made.passes == 10 + len(calls)
    assert made.model_copy(update={"guidance": program.guidance}) == program


def test_guides_again(program: Program) -> None:
    """Guiding a guided program replaces its weights."""
    assert guided(guided(program, 7.5), 3.0, (0.0, 0.5)) == guided(program, 3.0, (0.0, 0.5))


@pytest.mark.parametrize("interval", [(-0.1, 0.5), (0.5, 1.1), (0.6, 0.5), (0.5, 0.5), (float("nan"), 1.0)])
def test_refuses_intervals(program: Program, interval: tuple[float, float]) -> None:
    """An interval outside the calls, backwards or empty is refused."""
    with pytest.raises(ProgramError, match="guidance interval"):
        guided(program, 7.5, interval)


@pytest.mark.parametrize("scale", [-1.0, float("inf"), float("nan")])
def test_refuses_scales(program: Program, scale: float) -> None:
    """A negative or endless guidance_scale is refused, by `guided` and by `read_program`."""
    with pytest.raises(ProgramError, match="guidance_scale"):
        guided(program, scale)
    with pytest.raises(ProgramError, match="guidance_scale"):
        read_program(make_scheduler("DDIMScheduler", {}, clip_sample=False), 3, guidance_scale=scale)
