"""What a Program read from a scheduler says, and what is refused."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.schedulers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import ProgramError
from burnish.core.program import Program
from burnish.program import make_scheduler, read_program, replay
from burnish.program.clean import derived
from burnish.program.schedule import prepare

from .conftest import STABLE_DIFFUSION

STEPS = st.integers(min_value=1, max_value=40)


def ddim(**changes: Any) -> Any:
    """DDIM on Stable Diffusion's noise schedule."""
    return make_scheduler("DDIMScheduler", STABLE_DIFFUSION, **changes)


@settings(max_examples=20, deadline=None)
@given(STEPS, st.sampled_from(["leading", "trailing"]))
def test_ddim_is_its_formula(steps: int, spacing: str) -> None:
    """DDIM's table is its update x' = (alpha'/alpha) x + (sigma' - alpha' sigma / alpha) m, unrolled."""
    scheduler = ddim(timestep_spacing=spacing)
    program = read_program(scheduler, steps)
    alphas = scheduler.alphas_cumprod.double()
    row = np.eye(1, 1 + steps)[0]
    for i, t in enumerate(program.timesteps):
        before = int(t) - scheduler.config.num_train_timesteps // steps
        now, then = alphas[int(t)].item(), alphas[max(before, 0)].item()
        row = (then / now) ** 0.5 * row
        row[1 + i] += (1 - then) ** 0.5 - (then / now * (1 - now)) ** 0.5
        read = program.rows[i + 1]
        assert [read.start, *read.outputs] == pytest.approx(row[: i + 2], rel=1e-4, abs=1e-5)
    assert not program.stochastic


@settings(max_examples=20, deadline=None)
@given(
    STEPS.filter(lambda steps: steps > 1),
    st.sampled_from(["DPMSolverMultistep", "EulerDiscrete", "UniPCMultistep", "HeunDiscrete", "LCM"]),
    st.sampled_from(["epsilon", "v_prediction"]),
)
def test_knowing_the_picture_ends_at_it(steps: int, name: str, prediction_type: str) -> None:
    """If every call's estimate is the same picture, the program ends at that picture, whatever the noise."""
    scheduler = make_scheduler(f"{name}Scheduler", STABLE_DIFFUSION, prediction_type=prediction_type)
    program = read_program(scheduler, steps)
    picture, start = np.random.default_rng(steps).normal(size=(2, 5))

    def perfect(i: int, scaled: Any, timestep: float) -> Any:
        a, b = program.estimate[i]
        return (picture - a * scaled / program.input_scale[i]) / b

    *_, (_, end, _) = replay(program, start, perfect, lambda i: np.zeros(5))
    assert end == pytest.approx(picture, abs=1e-3)


@pytest.mark.parametrize("name", ["DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_two_ways_to_the_clean_picture(
    name: str, prediction_type: str, sd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clean picture a scheduler returns is the one its noise level and prediction type imply."""
    scheduler = sd(f"{name}Scheduler", prediction_type=prediction_type)
    told = read_program(scheduler, 6).estimate
    monkeypatch.setattr("burnish.program.read.measured", lambda *_: None)
    for pair, implied in zip(told, read_program(scheduler, 6).estimate, strict=True):
        assert pair == pytest.approx(implied, rel=1e-5, abs=1e-6)


def test_no_clean_picture_in_pure_noise() -> None:
    """Where a state holds nothing of the picture, epsilon implies none, and that is said with a remedy."""
    with pytest.raises(ProgramError, match=r"sees pure noise.*rescale_betas_zero_snr=False"):
        derived(prepare(ddim(), 5, 0), 0, (0.0, 1.0))


def test_what_a_program_says() -> None:
    """Timesteps, input scales, start, guidance and source are the scheduler's own."""
    scheduler = make_scheduler("EulerDiscreteScheduler", STABLE_DIFFUSION, timestep_spacing="trailing")
    program = read_program(scheduler, 4, guidance_scale=7.5)
    scheduler.set_timesteps(4)
    sigmas = scheduler.sigmas.double().numpy()
    assert program.timesteps == (999.0, 749.0, 499.0, 249.0)
    assert program.input_scale == pytest.approx(1 / np.sqrt(sigmas[:-1] ** 2 + 1))
    assert program.rows[0].start == pytest.approx(sigmas[0])
    assert program.guidance == (7.5,) * 4
    assert program.image_scale == 0.0
    assert program.source == "EulerDiscreteScheduler, 4 steps"


def test_image_to_image_starts_inside() -> None:
    """A program from step 6 of 10 has 4 calls, and image and noise mixed as add_noise does there."""
    scheduler = ddim()
    program = read_program(scheduler, 10, start=6)
    scheduler.set_timesteps(10)
    alpha = scheduler.alphas_cumprod[scheduler.timesteps[6]].item()
    assert program.calls == 4
    assert (program.image_scale, program.rows[0].start) == pytest.approx((alpha**0.5, (1 - alpha) ** 0.5))
    assert program.source == "DDIMScheduler, 10 steps, image-to-image from step 6"


def test_an_image_is_asked_for() -> None:
    """A replay that needs an image, or fresh noise, says so when it gets none."""
    for program in (read_program(ddim(), 4, start=2), read_program(make_scheduler("LCMScheduler", {}), 4)):
        with pytest.raises(ProgramError, match="needs fresh noise or an image"):
            next(replay(program, np.zeros(3), lambda i, x, t: x))


def test_scheduler_is_left_as_it_was() -> None:
    """Reading neither steps the scheduler it is given nor touches torch's random numbers."""
    scheduler = make_scheduler(
        "DPMSolverMultistepScheduler", STABLE_DIFFUSION, algorithm_type="sde-dpmsolver++"
    )
    scheduler.set_timesteps(7)
    before, config = copy.deepcopy(vars(scheduler)), dict(scheduler.config)
    seed = torch.get_rng_state()
    read_program(scheduler, 12, start=3)
    assert torch.equal(torch.get_rng_state(), seed)
    assert dict(scheduler.config) == config
    assert vars(scheduler).keys() == before.keys()
    for key, value in vars(scheduler).items():
        same = torch.equal(value, before[key]) if isinstance(value, torch.Tensor) else value == before[key]
        assert same, key


def test_a_used_scheduler_reads_alike() -> None:
    """A scheduler in the middle of a run gives the same program as a new one."""
    used = make_scheduler("UniPCMultistepScheduler", STABLE_DIFFUSION)
    fresh = read_program(used, 8)
    used.set_timesteps(5)
    used.step(torch.ones(1, 1, 1, 1), used.timesteps[0], torch.ones(1, 1, 1, 1))
    assert read_program(used, 8) == fresh


def test_saved_as_readable_json(tmp_path: Path) -> None:
    """A saved program is JSON with names, and reads back number for number."""
    program = read_program(make_scheduler("EulerAncestralDiscreteScheduler", STABLE_DIFFUSION), 7, start=1)
    program.save(tmp_path / "program.json")
    assert Program.read(tmp_path / "program.json") == program
    text = (tmp_path / "program.json").read_text()
    assert '"source": "EulerAncestralDiscreteScheduler, 7 steps, image-to-image from step 1"' in text


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("DDIMScheduler", {"clip_sample": True}, "clip_sample is on"),
        ("DDPMScheduler", {"thresholding": True}, "thresholding is on"),
        ("DPMSolverMultistepScheduler", {"thresholding": True}, "thresholding is on"),
        ("DDPMScheduler", {"variance_type": "learned_range"}, "variance is learned"),
    ],
)
def test_refuses_settings(name: str, changes: dict[str, Any], reason: str) -> None:
    """Clipping, thresholding and learned variance are refused by name."""
    with pytest.raises(ProgramError, match=reason):
        read_program(make_scheduler(name, STABLE_DIFFUSION, **changes), 5)


def test_clipping_has_a_way_out() -> None:
    """The remedy for clipping is a line that works."""
    scheduler = ddim(clip_sample=True)
    with pytest.raises(ProgramError) as refused:
        read_program(scheduler, 5)
    assert 'make_scheduler("DDIMScheduler", scheduler.config, clip_sample=False)' in refused.value.remedy
    assert read_program(make_scheduler("DDIMScheduler", scheduler.config, clip_sample=False), 5).calls == 5


def test_steps_that_miss_their_timesteps() -> None:
    """DDIM steps evenly by a spacing that linspace does not have: far off in two steps, which is refused."""
    with pytest.raises(ProgramError, match=r"state 1 has 0\.53 of it, not 1") as refused:
        read_program(ddim(timestep_spacing="linspace"), 2)
    assert 'timestep_spacing="trailing"' in refused.value.remedy
    assert read_program(ddim(timestep_spacing="linspace"), 50).calls == 50


def test_dynamic_shifting_has_a_way_out() -> None:
    """A shift that depends on the picture's size is refused with the settings that fix it."""
    scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", {}, use_dynamic_shifting=True)
    with pytest.raises(ProgramError, match="use_dynamic_shifting=False"):
        read_program(scheduler, 5)


@pytest.mark.parametrize(("steps", "start"), [(0, 0), (5, 5), (5, -1)])
def test_refuses_nothing_to_do(steps: int, start: int) -> None:
    """No steps, or a start outside them, is refused."""
    with pytest.raises(ProgramError, match="nothing to do"):
        read_program(ddim(), steps, start=start)


def test_refuses_what_is_no_scheduler() -> None:
    """Any other object is refused by its class name."""
    with pytest.raises(ProgramError, match="SimpleNamespace is not read"):
        read_program(SimpleNamespace(), 5)


class Curved(DDIMScheduler):
    """Bends the state a little, which no table can."""

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """DDIM's step, then bent."""
        made = super().step(*args, **kwargs)
        made.prev_sample = made.prev_sample + 0.01 * made.prev_sample**2
        return made


class HiddenClip(EulerDiscreteScheduler):
    """Clips where no setting says so, far outside the basis vectors."""

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """Euler's step, then clipped."""
        made = super().step(*args, **kwargs)
        made.prev_sample = made.prev_sample.clamp(-16.0, 16.0)
        return made


class NumpyNoise(DPMSolverMultistepScheduler):
    """Draws noise where torch does not see it."""

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """The solver's step and numpy noise."""
        made = super().step(*args, **kwargs)
        made.prev_sample = made.prev_sample + np.random.default_rng().normal()
        return made


class TwoDraws(DDIMScheduler):
    """Draws twice in one step."""

    def step(self, model_output: Any, timestep: Any, sample: Any) -> Any:
        """DDIM's step and two noises."""
        made = super().step(model_output, timestep, sample)
        made.prev_sample = made.prev_sample + torch.randn_like(sample) + torch.randn(sample.shape)
        return made


class Uniform(DDIMScheduler):
    """Draws noise that is not Gaussian."""

    def step(self, model_output: Any, timestep: Any, sample: Any) -> Any:
        """DDIM's step and uniform noise."""
        made = super().step(model_output, timestep, sample)
        made.prev_sample = made.prev_sample + torch.empty_like(sample).uniform_()
        return made


class Narrow(DDIMScheduler):
    """Draws one number for the whole state."""

    def step(self, model_output: Any, timestep: Any, sample: Any) -> Any:
        """DDIM's step and one number."""
        made = super().step(model_output, timestep, sample)
        made.prev_sample = made.prev_sample + torch.randn(1)
        return made


@pytest.mark.parametrize("broken", [Curved, HiddenClip, NumpyNoise])
def test_broken_schedulers_are_measured(broken: Any) -> None:
    """A step that only looks linear is refused with the difference that was measured."""
    scheduler = make_scheduler(broken.__bases__[0].__name__, STABLE_DIFFUSION)
    with pytest.raises(ProgramError, match=r"differ by \d\.\de[+-]\d\d relative") as refused:
        read_program(broken.from_config(scheduler.config), 10)
    assert broken.__name__ in refused.value.problem


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(TwoDraws, "more than one noise"), (Uniform, "not Gaussian"), (Narrow, r"noise of shape \(1,\)")],
)
def test_noise_that_is_no_column(broken: Any, reason: str) -> None:
    """Noise that is not one Gaussian draw of the state's shape is refused; torch draws as ever afterwards."""
    with pytest.raises(ProgramError, match=reason):
        read_program(broken.from_config(ddim().config), 5)
    assert not torch.equal(torch.randn(4), torch.randn(4))
