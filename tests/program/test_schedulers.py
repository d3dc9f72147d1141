"""Every scheduler of the installed diffusers: a table that replays it, or a refusal that says why."""

from collections.abc import Callable
from typing import Any

import diffusers.schedulers
import pytest

from burnish.core.errors import ProgramError
from burnish.program import read_program, scheduler_names

REPLAYS = "replays"
# A class that appears, vanishes or changes its fate in another diffusers shall be noticed here.
OUTCOMES = {
    "AmusedScheduler": "multinomial",
    "BlockRefinementScheduler": "fails",
    "CMStochasticIterativeScheduler": "prediction type",
    "CogVideoXDDIMScheduler": REPLAYS,
    "CogVideoXDPMScheduler": "old_pred_original_sample",
    "ConsistencyDecoderScheduler": "set_timesteps",
    "DDIMInverseScheduler": "away from the clean picture",
    "DDIMParallelScheduler": REPLAYS,
    "DDIMScheduler": REPLAYS,
    "DDPMParallelScheduler": REPLAYS,
    "DDPMScheduler": REPLAYS,
    "DDPMWuerstchenScheduler": "step 0 fails",
    "DEISMultistepScheduler": REPLAYS,
    "DPMSolverMultistepInverseScheduler": "away from the clean picture",
    "DPMSolverMultistepScheduler": REPLAYS,
    "DPMSolverSinglestepScheduler": REPLAYS,
    "DiscreteDDIMScheduler": "multinomial",
    "EDMDPMSolverMultistepScheduler": REPLAYS,
    "EDMEulerScheduler": REPLAYS,
    "EntropyBoundScheduler": "multinomial",
    "EulerAncestralDiscreteScheduler": REPLAYS,
    "EulerDiscreteScheduler": REPLAYS,
    "FlowMapEulerDiscreteScheduler": REPLAYS,
    "FlowMatchEulerDiscreteScheduler": REPLAYS,
    "FlowMatchHeunDiscreteScheduler": REPLAYS,
    "FlowMatchLCMScheduler": REPLAYS,
    "HeliosDMDScheduler": "set_timesteps",
    "HeliosScheduler": "set_timesteps",
    "HeunDiscreteScheduler": REPLAYS,
    "IPNDMScheduler": "add_noise",
    "KDPM2AncestralDiscreteScheduler": REPLAYS,
    "KDPM2DiscreteScheduler": REPLAYS,
    "KarrasVeScheduler": "sigma_hat",
    "LCMScheduler": REPLAYS,
    "LMSDiscreteScheduler": REPLAYS,
    "LTXEulerAncestralRFScheduler": "add_noise",
    "MiniMaxH3Scheduler": "away from the clean picture",
    "PNDMScheduler": REPLAYS,
    "PiflowScheduler": "step 0 fails",
    "RFD4ProteinaScheduler": "emit_mask",
    "RePaintScheduler": "original_image",
    "SASolverScheduler": REPLAYS,
    "SCMScheduler": "set_timesteps",
    "ScoreSdeVeScheduler": "lacks",
    "ScoreSdeVpScheduler": "lacks",
    "TCDScheduler": REPLAYS,
    "UnCLIPScheduler": "away from the clean picture",
    "UniPCMultistepScheduler": REPLAYS,
    "VQDiffusionScheduler": "fails",
}
READ = [name for name, outcome in OUTCOMES.items() if outcome == REPLAYS]
# Without these they cannot be built, or clip by default.
SETTINGS: dict[str, dict[str, Any]] = {
    "AmusedScheduler": {"mask_token_id": 5},
    "CMStochasticIterativeScheduler": {"clip_denoised": False},
    "RFD4ProteinaScheduler": {"schedule_mode": "log", "noise_mode": "1/t", "tsr_k": 1.0, "tsr_sigma": 1.0},
    "VQDiffusionScheduler": {"num_vec_classes": 5},
}
CLIPPED = ("CogVideoXDDIM", "CogVideoXDPM", "DDIM", "DDIMInverse", "DDIMParallel", "DDPM", "DDPMParallel")
SETTINGS |= {f"{name}Scheduler": {"clip_sample": False} for name in (*CLIPPED, "RePaint", "UnCLIP")}
STEPS = 10
TOLERANCE = 1e-5


def build(name: str) -> Any:
    """The scheduler as its class makes it, unclipped."""
    return getattr(diffusers.schedulers, name)(**SETTINGS.get(name, {}))


def test_no_scheduler_is_left_out() -> None:
    """The table of outcomes names exactly the schedulers diffusers has."""
    assert sorted(OUTCOMES) == scheduler_names()


@pytest.mark.parametrize("name", READ)
def test_replays(name: str, difference: Callable[..., float]) -> None:
    """A table gives the states of diffusers' own loop to 1e-5, text-to-image and image-to-image."""
    # PNDM's Runge-Kutta warm-up comes in groups of four calls, which an image-to-image start cuts in two.
    settings = {"skip_prk_steps": True} if name == "PNDMScheduler" else {}
    scheduler = type(build(name)).from_config(build(name).config, **settings)
    for start in (0, 4):
        program = read_program(scheduler, STEPS, start=start)
        assert difference(program, scheduler, STEPS, start) <= TOLERANCE


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name not in READ])
def test_refuses(name: str) -> None:
    """A scheduler that no table expresses is refused by its name, with the reason and what to do."""
    with pytest.raises(ProgramError) as refused:
        read_program(build(name), STEPS)
    assert name in refused.value.problem
    assert OUTCOMES[name] in refused.value.problem
    assert refused.value.remedy


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *(
        (name, {"prediction_type": "v_prediction"})
        for name in READ
        if "Flow" not in name and "EDM" not in name
    ),
    *(
        (f"{name}Scheduler", {"prediction_type": "sample"})
        for name in ("DDIM", "DDPM", "LCM", "HeunDiscrete")
    ),
    ("UniPCMultistepScheduler", {"prediction_type": "sample", "solver_order": 3}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True}),
    ("DPMSolverMultistepScheduler", {"solver_order": 3, "timestep_spacing": "trailing"}),
    ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    ("LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    ("UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}),
    ("PNDMScheduler", {"skip_prk_steps": False}),
]


@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=lambda value: str(value))
def test_replays_variants(
    name: str, changes: dict[str, Any], sd: Callable[..., Any], difference: Callable[..., float]
) -> None:
    """Other prediction types, noise levels, orders and spacings of these schedulers replay too."""
    scheduler = sd(name, **changes)
    assert difference(read_program(scheduler, STEPS), scheduler, STEPS) <= TOLERANCE


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete", "FlowMatchLCM"])
def test_replays_shifted_flows(name: str, difference: Callable[..., float]) -> None:
    """Flow matching replays with its noise levels shifted, as Stable Diffusion 3 has them."""
    scheduler = getattr(diffusers.schedulers, f"{name}Scheduler")(shift=3.0)
    for start in (0, 3):
        program = read_program(scheduler, STEPS, start=start)
        assert difference(program, scheduler, STEPS, start) <= TOLERANCE


def test_zero_terminal_signal(sd: Callable[..., Any], difference: Callable[..., float]) -> None:
    """A first call at pure noise is read with v_prediction, and refused where epsilon divides by zero."""
    settings = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    scheduler = sd("DDIMScheduler", prediction_type="v_prediction", **settings)
    program = read_program(scheduler, STEPS)
    assert program.estimate[0] == pytest.approx((0.0, -1.0))
    assert difference(program, scheduler, STEPS) <= TOLERANCE
    with pytest.raises(ProgramError, match="rescale_betas_zero_snr"):
        read_program(sd("LCMScheduler", **settings), STEPS)
