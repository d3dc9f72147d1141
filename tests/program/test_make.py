"""Schedulers built by name."""

from typing import Any

import pytest
from diffusers.schedulers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.utils import is_torchsde_available

from burnish.core.errors import ProgramError
from burnish.program import make_scheduler, read_program

from .conftest import STABLE_DIFFUSION


def test_takes_over_the_noise_schedule() -> None:
    """A scheduler made from another's config keeps noise schedule and prediction type, and takes changes."""
    source = DPMSolverMultistepScheduler(beta_start=0.001, beta_end=0.01, prediction_type="v_prediction")
    made = make_scheduler("UniPCMultistepScheduler", source.config, solver_order=3)
    assert type(made).__name__ == "UniPCMultistepScheduler"
    assert (made.config.beta_start, made.config.beta_end) == (0.001, 0.01)
    assert (made.config.prediction_type, made.config.solver_order) == ("v_prediction", 3)


@pytest.mark.parametrize(
    ("name", "changes", "problem", "remedy"),
    [
        ("DDMScheduler", {}, "no scheduler DDMScheduler", "DDIMScheduler"),
        ("unipc", {}, "no scheduler unipc", "UniPCMultistepScheduler"),
        ("SchedulerMixin", {}, "no scheduler SchedulerMixin", "Scheduler"),
        ("UNet2DConditionModel", {}, "no scheduler UNet2DConditionModel", "There are"),
        ("DDIMScheduler", {"bta_start": 0.1}, "no setting bta_start", "beta_start"),
        ("DDIMScheduler", {"self": 1}, "no setting self", "There are num_train_timesteps"),
        ("DDIMScheduler", {"beta_schedule": "wavy"}, "refuses its settings: wavy", "Change"),
        ("FlowMatchEulerDiscreteScheduler", {}, "noise schedule given by beta_start", "has this setting"),
    ],
)
def test_refuses(name: str, changes: dict[str, Any], problem: str, remedy: str) -> None:
    """Unknown names and settings, bad values and the wrong process are refused, each with what mends it."""
    with pytest.raises(ProgramError, match=problem) as refused:
        make_scheduler(name, STABLE_DIFFUSION, **changes)
    assert remedy in refused.value.remedy


@pytest.mark.skipif(is_torchsde_available(), reason="torchsde is installed, so nothing is missing")
def test_says_what_is_missing() -> None:
    """A scheduler whose packages are not installed is refused by the package's name."""
    with pytest.raises(ProgramError, match="DPMSolverSDEScheduler needs torch and torchsde"):
        make_scheduler("DPMSolverSDEScheduler", STABLE_DIFFUSION)


def test_flow_models_on_diffusion_solvers() -> None:
    """A flow-matching model runs on UniPC when asked for flow sigmas, and is refused when not."""
    config = FlowMatchEulerDiscreteScheduler(shift=3.0).config
    with pytest.raises(ProgramError, match="given by shift"):
        make_scheduler("UniPCMultistepScheduler", config)
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
    program = read_program(make_scheduler("UniPCMultistepScheduler", config, **flow), 8)
    assert program.estimate[3] == pytest.approx((1.0, -program.timesteps[3] / 1000.0), rel=1e-3)
