"""Tables of few calls fitted to trajectories of many: closed forms, promises, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import ProgramError
from burnish.core.program import Program, Row
from burnish.program import guided, make_scheduler, read_program, replay
from burnish.program.coarse import coarse
from burnish.program.fit import Fitted, fit
from burnish.program.least_squares import MOST_GROWTH, fit_row
from burnish.program.places import descend, nearest, starts
from burnish.program.shorten import fewer_calls
from burnish.program.student import Lesson, Run, learned_by
from burnish.program.trajectories import Denoise, Trajectories, combine, follow, relative

from .conftest import STABLE_DIFFUSION

TEACHER_CALLS = 40
SHAPE = (4, 3, 3)
IMAGES = 12
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SPREAD = np.exp(np.linspace(-3.0, 1.0, 36)).reshape(SHAPE)  # variances of the data, pixel by pixel


def level(timestep: float) -> tuple[float, float]:
    """(alpha, sigma) of Stable Diffusion's noise schedule, from its published betas."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bar = np.cumprod(1.0 - betas)[int(timestep)]
    return float(bar**0.5), float((1.0 - bar) ** 0.5)


def gaussian(prediction: str, spread: Any = SPREAD, mean: float = 0.0) -> Denoise:
    """The exact denoiser of data N(mean, spread): E[x0 | x], then what the model predicts of it.

    Guided, it is u + w (c - u) where the unconditional data has mean 0.
    """

    def one(timestep: float, x: Any, center: float) -> Any:
        alpha, sigma = level(timestep)
        clean = center + alpha * spread * (x - alpha * center) / (alpha**2 * spread + sigma**2)
        noise = (x - alpha * clean) / sigma
        return {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}[prediction]

    def denoise(timestep: float, x: Any, weight: float, which: range) -> Any:
        conditional, unconditional = one(timestep, x, mean), one(timestep, x, 0.0)
        return unconditional + weight * (conditional - unconditional)

    return denoise


def crooked(timestep: float, x: Any, weight: float, which: range) -> Any:
    """A denoiser that is not linear and mixes its pixels."""
    return np.tanh(1.3 * x + 0.3 * weight * np.roll(x, 1, axis=2)) + 0.2 * np.cos(timestep / 150.0)


def table(calls: int, name: str = "DDIM", prediction: str = "epsilon", **changes: Any) -> Program:
    """A solver's table on Stable Diffusion's noise schedule."""
    config = {**STABLE_DIFFUSION, "prediction_type": prediction}
    return read_program(make_scheduler(f"{name}Scheduler", config, **changes), calls)


def taught(teacher: Program, denoise: Denoise, images: int = IMAGES, shape: tuple[int, ...] = SHAPE) -> Any:
    """Trajectories of a teacher from noise that is the same every time."""
    start = np.random.default_rng(5).normal(size=(images, *shape)).astype(np.float32)
    outputs = follow(teacher, start, denoise, range(images))
    return Trajectories(program=teacher, start=start, outputs=outputs)


def unseen_error(program: Program, teacher: Program, denoise: Denoise) -> float:
    """The endpoint's relative error on noise that no fit has seen."""
    start = np.random.default_rng(99).normal(size=(IMAGES, *SHAPE)).astype(np.float32)
    ends = [combine(p.rows[-1], start, follow(p, start, denoise, range(IMAGES))) for p in (program, teacher)]
    return relative(*ends)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_gaussian_data_is_reached_by_few_fitted_calls(prediction: str) -> None:
    """With the exact denoiser of Gaussian data, 4 fitted calls beat 4 hand-made ones on unseen noise."""
    teacher, denoise = table(TEACHER_CALLS, prediction=prediction), gaussian(prediction)
    names = ("DDIM", "DPMSolverMultistep", "UniPCMultistep")
    seeds = [table(4, name, prediction) for name in names]
    found = fit(taught(teacher, denoise), denoise, (1.0,) * 4, seeds=seeds)
    assert found.chosen
    ours = unseen_error(found.program, teacher, denoise)
    theirs = [unseen_error(seed, teacher, denoise) for seed in seeds]
    assert ours < 0.5 * min(theirs)
    assert ours < 0.03


@pytest.mark.parametrize("name", ["DDIM", "EulerDiscrete"])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_linear_denoiser_is_fitted_exactly(name: str, prediction: str) -> None:
    """Where outputs are multiples of the state, fitted calls reach the endpoint, scaled inputs or not."""
    teacher, denoise = table(TEACHER_CALLS, name, prediction), gaussian(prediction, spread=0.7)
    found = fit(taught(teacher, denoise), denoise, (1.0,))
    assert unseen_error(found.program, teacher, denoise) < 1e-3
    whole = learned_by(_lesson(taught(teacher, denoise), denoise, 3), (0, 13, 26), 1e-9)
    assert whole.error < 1e-6


def test_flow_matching_is_fitted() -> None:
    """A flow model's table is fitted like any other: Gaussian data, output e - x0, alpha = 1 - sigma."""
    teacher = read_program(make_scheduler("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}), TEACHER_CALLS)

    def denoise(timestep: float, x: Any, weight: float, which: range) -> Any:
        sigma = timestep / 1000.0
        alpha = 1.0 - sigma
        clean = alpha * SPREAD * x / (alpha**2 * SPREAD + sigma**2)
        return (x - alpha * clean) / sigma - clean

    seed = read_program(make_scheduler("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}), 4)
    found = fit(taught(teacher, denoise), denoise, (1.0,) * 4, seeds=(seed,))
    assert unseen_error(found.program, teacher, denoise) < 0.25 * unseen_error(seed, teacher, denoise)


def test_rows_make_up_for_calls_without_guidance() -> None:
    """With half of its calls unguided, a fitted table follows a teacher that is guided throughout."""
    teacher, denoise = guided(table(TEACHER_CALLS), 3.0), gaussian("epsilon", mean=1.0)
    seed = guided(table(4, "DPMSolverMultistep"), 3.0, (0.0, 0.5))
    assert seed.guidance == (3.0, 3.0, 1.0, 1.0)
    found = fit(taught(teacher, denoise), denoise, seed.guidance, seeds=(seed,))
    assert found.program.guidance == seed.guidance
    assert unseen_error(found.program, teacher, denoise) < 0.3 * unseen_error(seed, teacher, denoise)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_clean_estimate_stays_the_clean_picture(prediction: str) -> None:
    """Where every call knows the picture, a x_i + b m_i is it in every call; the end is the teacher's."""
    teacher = table(TEACHER_CALLS, prediction=prediction)
    picture = np.random.default_rng(2).normal(size=SHAPE)
    pair = dict(zip(teacher.timesteps, teacher.estimate, strict=True))

    def perfect(timestep: float, x: Any, weight: float, which: range) -> Any:
        a, b = pair[timestep]
        return np.broadcast_to((picture - a * x) / b, x.shape)

    found = fit(taught(teacher, perfect), perfect, (1.0,) * 5).program
    start = np.random.default_rng(8).normal(size=(2, *SHAPE))
    *calls, (_, end, _) = replay(found, start, lambda i, x, t: perfect(t, x, 1.0, range(2)))
    for i, x, m in calls:
        a, b = found.estimate[i]
        assert a * x + b * m == pytest.approx(np.broadcast_to(picture, x.shape), abs=1e-5)
    *_, (_, theirs, _) = replay(teacher, start, lambda i, x, t: perfect(t, x, 1.0, range(2)))
    assert relative(end, theirs) < 1e-3


@settings(max_examples=12, deadline=None)
@given(
    calls=st.integers(1, 6),
    scale=st.sampled_from([1.0, 2.0, 5.0]),
    high=st.sampled_from([0.5, 1.0]),
    prediction=st.sampled_from(PREDICTIONS),
    name=st.sampled_from(["DDIM", "DPMSolverMultistep", "UniPCMultistep", "HeunDiscrete"]),
)
def test_the_fit_is_never_worse_than_a_seed_on_its_own_trajectories(
    calls: int, scale: float, high: float, prediction: str, name: str
) -> None:
    """Whatever the denoiser, the result's endpoints are at least as near as those of every seed."""
    trajectories = taught(guided(table(20, prediction=prediction), scale), crooked, images=4)
    seed = guided(table(calls, name, prediction), scale, (0.0, high))
    weights = guided(coarse(trajectories.program, range(calls)), scale, (0.0, high)).guidance
    found = fit(trajectories, crooked, weights, seeds=(seed,))
    start = trajectories.start
    ends = [combine(p.rows[-1], start, follow(p, start, crooked, range(4))) for p in (found.program, seed)]
    target = trajectories.state(20, range(4))
    errors = [relative(end, target) for end in ends]
    assert errors == pytest.approx([found.error, found.seed_errors[0]])
    assert errors[0] <= errors[1]


def test_a_seed_that_is_the_teacher_itself_is_kept() -> None:
    """Where a seed makes no error at all, no fitted table takes its place."""
    teacher = table(6)
    found = fit(taught(teacher, crooked), crooked, (1.0,) * 3, seeds=(teacher,))
    assert (found.chosen, found.error, found.program) == (False, 0.0, teacher)


def test_timesteps_are_the_teachers_and_fall() -> None:
    """A fitted table calls at some of the teacher's timesteps, with their input scales and estimates."""
    teacher = table(20, "EulerDiscrete")
    found = fit(taught(teacher, crooked), crooked, (1.0,) * 5).program
    at = [teacher.timesteps.index(t) for t in found.timesteps]
    assert at == sorted(set(at))
    assert found.input_scale == tuple(teacher.input_scale[k] for k in at)
    assert found.estimate == tuple(teacher.estimate[k] for k in at)
    assert Program.model_validate_json(found.model_dump_json()) == found
    assert not found.stochastic


def test_the_same_fit_is_the_same_table_and_says_how_far_it_is() -> None:
    """Two fits of one set are equal to the last bit; progress rises to 1 in each part."""
    said: list[tuple[str, float]] = []

    def once() -> Fitted:
        trajectories = taught(table(20), crooked)
        return fit(trajectories, crooked, (1.0,) * 4, report=lambda what, share: said.append((what, share)))

    assert once() == once()
    timesteps = [share for what, share in said[: len(said) // 2] if what == "timesteps"]
    assert timesteps == sorted(timesteps)
    assert timesteps[-1] <= 1.0
    assert said[-1] == ("rows", 1.0)


def test_images_count_every_denoiser_call() -> None:
    """What a fit says that it cost is what the denoiser was asked for."""
    counted = 0

    def counting(timestep: float, x: Any, weight: float, which: range) -> Any:
        nonlocal counted
        assert len(x) == len(which)
        counted += len(x)
        return crooked(timestep, x, weight, which)

    trajectories = taught(table(20), crooked, images=20)
    assert fit(trajectories, counting, (1.0,) * 3, seeds=(table(3),)).images == counted


def test_a_row_is_the_least_squares_solution() -> None:
    """A small ridge gives numpy's least squares, a large one the prior."""
    generator = np.random.default_rng(1)
    basis, target = generator.normal(size=(4, 200)), generator.normal(size=200)
    prior = np.array([1.0, -2.0, 0.5, 3.0])
    exact = np.linalg.lstsq(basis.T, target, rcond=None)[0]
    assert fit_row(basis, target, prior, 1e-12) == pytest.approx(exact, abs=1e-9)
    assert fit_row(basis, target, prior, 1e12) == pytest.approx(prior, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-9, 1e-3), st.integers(0, 100))
def test_rows_do_not_blow_up(apart: float, seed: int) -> None:
    """Two outputs that are nearly one get no huge numbers of opposite sign, which would multiply noise."""
    generator = np.random.default_rng(seed)
    one, way = generator.normal(size=(2, 100))
    basis, prior = np.stack([one, one + apart * way]), np.array([0.5, 0.5])
    unguarded = np.linalg.lstsq(basis.T, one + way, rcond=None)[0]
    assert np.abs(unguarded).sum() > MOST_GROWTH
    assert np.abs(fit_row(basis, one + way, prior, 1e-15)).sum() <= MOST_GROWTH


def test_numbers_stay_sound_where_a_call_gives_nothing() -> None:
    """A denoiser that says the same whatever it sees leaves rows that are finite and bounded."""
    silent: Denoise = lambda timestep, x, weight, which: np.zeros_like(x)  # noqa: E731
    found = fit(taught(table(20), silent), silent, (1.0,) * 4)
    assert found.error < 1e-6
    for row in found.program.rows:
        assert abs(row.start) + sum(map(abs, row.outputs)) < 100.0


def _lesson(trajectories: Trajectories, denoise: Denoise, calls: int) -> Lesson:
    held = np.arange(len(trajectories.start)) % 2 == 1
    which = range(len(held))
    return Lesson(
        trajectories=trajectories,
        denoise=denoise,
        guidance=(1.0,) * calls,
        which=which,
        taught=~held,
        held=held,
    )


def test_known_outputs_give_the_same_student() -> None:
    """A student that takes over the first outputs of another is the one that runs them itself."""
    lesson = _lesson(taught(table(20), crooked), crooked, 4)
    first = learned_by(lesson, (0, 5, 9, 14), 1e-4)
    moved = learned_by(lesson, (0, 5, 9, 17), 1e-4, first.outputs[:3])
    assert moved.program == learned_by(lesson, (0, 5, 9, 17), 1e-4).program
    assert (first.images, moved.images) == (4 * IMAGES, IMAGES)


@pytest.mark.parametrize(("whole", "left"), [(40, 8), (40, 40), (12, 5)])
def test_coarse_of_even_places_is_fewer_calls(whole: int, left: int) -> None:
    """Keeping evenly spread calls is what `fewer_calls` does."""
    teacher = table(whole)
    even = [int(k) for k in np.linspace(0, whole, left, endpoint=False)]
    assert coarse(teacher, even).rows == fewer_calls(teacher, left).rows


@given(st.integers(1, 30), st.integers(0, 60))
def test_searches_begin_at_places_that_rise(calls: int, more: int) -> None:
    """Every beginning has as many places as calls, each after the one before, all of them the teacher's."""
    of = calls + more
    for places in (*starts(calls, of), nearest([500.0] * calls, np.linspace(999, 0, of).tolist())):
        assert len(places) == calls
        assert list(places) == sorted(set(places))
        assert 0 <= places[0] <= places[-1] < of


def test_descent_finds_the_bottom_of_a_bowl() -> None:
    """From even places it goes to those where the error is least, and stops when all is spent."""
    program = table(3)
    target = (3, 11, 30)

    def learn(places: tuple[int, ...], known: Any) -> Run:
        error = float(sum((a - b) ** 2 for a, b in zip(places, target, strict=True)))
        return Run(program=program, places=places, outputs=[np.zeros(1)] * 3, error=error, images=1)

    silent: Callable[[str, float], None] = lambda what, share: None  # noqa: E731
    best, spent = descend(learn, starts(3, 40), 40, 1000, silent)
    assert best.places == target
    assert spent < 100
    assert descend(learn, starts(3, 40), 40, 7, silent)[1] == 7


def _image_program() -> Program:
    return read_program(make_scheduler("DDIMScheduler", STABLE_DIFFUSION), 6, start=2)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (lambda: table(6, "DDPM"), "fresh noise"),
        (_image_program, "starts from a picture"),
        (lambda: table(6, "PNDM"), "do not fall"),
    ],
)
def test_what_cannot_teach_is_refused(program: Callable[[], Program], reason: str) -> None:
    """Fresh noise, a picture as start, and two calls at one timestep are refused by name."""
    teacher = program()
    numbers = np.zeros((2, *SHAPE), dtype=np.float32)
    with pytest.raises(ProgramError, match=reason):
        Trajectories(program=teacher, start=numbers, outputs=np.stack([numbers] * teacher.calls))


def test_what_cannot_be_fitted_is_refused() -> None:
    """No calls, too many, outputs of another shape or not finite, and seeds with noise are refused."""
    trajectories = taught(table(6), crooked)
    for weights in ((), (1.0,) * 7):
        with pytest.raises(ProgramError, match="cannot be fitted"):
            fit(trajectories, crooked, weights)
    with pytest.raises(ProgramError, match="not finite"):
        fit(trajectories, lambda t, x, w, which: np.full_like(x, np.nan), (1.0,) * 2)
    with pytest.raises(ProgramError, match="not finite"):
        Trajectories(
            program=trajectories.program,
            start=trajectories.start,
            outputs=np.full_like(trajectories.outputs, np.inf),
        )
    with pytest.raises(ProgramError, match="outputs are"):
        Trajectories(program=trajectories.program, start=trajectories.start, outputs=trajectories.outputs[:2])
    with pytest.raises(ProgramError, match="fresh noise"):
        fit(trajectories, crooked, (1.0,) * 2, seeds=(table(2, "DDPM"),))


def test_the_first_row_is_the_start() -> None:
    """A table that calls first where the teacher does starts as the teacher does, to the last bit."""
    teacher = table(20, "EulerDiscrete")
    lesson = _lesson(taught(teacher, crooked), crooked, 2)
    assert learned_by(lesson, (0, 10), 1e-4).program.rows[0] == Row(start=teacher.rows[0].start)
