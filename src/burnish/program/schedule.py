"""A diffusers scheduler made ready and run: the only file that calls a scheduler's methods.

No scheduler is known by name here. What one can do is asked of the object, and where it fails in the middle
of a step (it wants tokens, or one more argument) its own words become the reason of a ProgramError.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from burnish.core.errors import ProgramError
from burnish.program.draws import Draws, refusal

# Settings that make a step non-linear: found here they get a remedy, found by nobody they fail the replay.
_CLIPS = ("clip_sample", "clip_denoised", "thresholding")
_GIVEN = {"model_output", "timestep", "sample"}

Level = tuple[float, float]
"""(alpha, sigma): a noised image is alpha * image + sigma * noise."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A scheduler after `set_timesteps`, not stepped yet, and the N timesteps it will be called with.

    `first` is the place of the first of them in the whole schedule, 0 unless an image is the start.
    """

    scheduler: Any
    timesteps: torch.Tensor
    first: int

    @property
    def name(self) -> str:
        """The class name, as diffusers spells it."""
        return type(self.scheduler).__name__


@dataclass(frozen=True, kw_only=True)
class Call:
    """One step as the scheduler did it, all tensors of shape (1, K, H, W)."""

    state: torch.Tensor  # x_i
    scaled: torch.Tensor  # what the denoiser sees of it
    following: torch.Tensor  # x_{i+1}
    clean: torch.Tensor | None  # the clean picture the scheduler believes in, if it says so


def prepare(
    scheduler: Any, num_inference_steps: int, start: int, arguments: Mapping[str, Any] | None = None
) -> Schedule:
    """A fresh scheduler from the config of `scheduler`, which stays as it is, ready for step `start` and on.

    Raises ProgramError where the config, the class or the numbers exclude a table.
    """
    name = type(scheduler).__name__
    _refuse_settings(name, scheduler)
    if num_inference_steps < 1 or not 0 <= start < num_inference_steps:
        raise ProgramError(
            f"{num_inference_steps} steps starting at {start} leave nothing to do",
            "Ask for at least one step, and start at 0 or later, before the last",
        )
    fresh = type(scheduler).from_config(scheduler.config)
    try:
        fresh.set_timesteps(num_inference_steps, **(arguments or {}))
        # One step of an order-2 scheduler is two calls: diffusers' img2img pipelines multiply alike.
        first = start * getattr(fresh, "order", 1)
        timesteps = fresh.timesteps[first:]
    except Exception as error:  # a scheduler's own code may raise anything
        dynamic = scheduler.config.get("use_dynamic_shifting")
        remedy = "Set use_dynamic_shifting=False and the shift of the picture's size" if dynamic else ""
        reason = f"set_timesteps({num_inference_steps}) fails: {_first_line(error)}"
        raise refusal(name, reason, remedy) from error
    if timesteps.ndim != 1 or len(timesteps) == 0:
        raise refusal(name, f"it has no list of timesteps from step {start} on")
    if hasattr(fresh, "set_begin_index"):
        fresh.set_begin_index(first)
    return Schedule(scheduler=fresh, timesteps=timesteps, first=first)


def _refuse_settings(name: str, scheduler: Any) -> None:
    if not all(hasattr(scheduler, part) for part in ("config", "set_timesteps", "step")):
        raise refusal(name, "it lacks config, set_timesteps or step(model_output, timestep, sample)")
    parameters = inspect.signature(scheduler.step).parameters.values()
    needed = {p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
    if needed - _GIVEN:
        raise refusal(name, f"its step needs more than a table gives: {', '.join(sorted(needed - _GIVEN))}")
    for setting in _CLIPS:
        if scheduler.config.get(setting):
            raise refusal(
                name,
                f"{setting} is on, and clipping is not linear",
                f'Read make_scheduler("{name}", scheduler.config, {setting}=False) instead',
            )
    if str(scheduler.config.get("variance_type") or "").startswith("learned"):
        raise refusal(name, "its variance is learned: half of the denoiser's output would enter non-linearly")


def run(
    schedule: Schedule,
    state: torch.Tensor,
    model: Callable[[int, torch.Tensor], torch.Tensor],
    noise: Callable[[int], torch.Tensor],
) -> Iterator[Call]:
    """Runs the scheduler's own steps in order, on a copy: a Schedule can be run again.

    `state` is x_0, float64 of shape (1, K, H, W); `model(i, scaled)` is the output of call i and `noise(i)`
    what step i draws, both of that shape. Raises ProgramError in the scheduler's words where a step fails.
    """
    scheduler, name = copy.deepcopy(schedule.scheduler), schedule.name
    for i, timestep in enumerate(schedule.timesteps):
        try:
            scale = getattr(scheduler, "scale_model_input", None)
            scaled = state if scale is None else scale(state, timestep)
            output = model(i, scaled)
            with Draws(name, noise(i)):
                made = scheduler.step(output, timestep, state)
            following = made.prev_sample.to(torch.float64)
        except ProgramError:
            raise
        except Exception as error:  # a scheduler's own code may raise anything
            raise refusal(name, f"step {i} fails: {_first_line(error)}") from error
        if following.shape != state.shape:
            raise refusal(name, f"step {i} turns shape {tuple(state.shape)} into {tuple(following.shape)}")
        clean = getattr(made, "pred_original_sample", None)
        yield Call(state=state, scaled=scaled, following=following, clean=clean)
        state = following


def noise_level(schedule: Schedule, call: int) -> Level | None:
    """The noise level of the state that call `call` sees, or None if the scheduler cannot say.

    Measured through `add_noise` or `scale_noise`. Raises ProgramError.
    """
    # Schedulers that count their steps noise to the level of begin_index, which is set on this copy alone.
    probe = copy.copy(schedule.scheduler)
    if hasattr(probe, "set_begin_index"):
        probe.set_begin_index(schedule.first + call)
    timestep = schedule.timesteps[call].reshape(1)
    image, noise = torch.eye(2, dtype=torch.float64).reshape(2, 1, 2, 1, 1)
    try:
        if hasattr(probe, "add_noise"):
            mixed = probe.add_noise(image, noise, timestep)
        elif hasattr(probe, "scale_noise"):
            mixed = probe.scale_noise(image, timestep, noise)
        else:
            return None
    except Exception as error:  # a scheduler's own code may raise anything
        raise refusal(schedule.name, f"its noise level at call {call} fails: {_first_line(error)}") from error
    alpha, sigma = mixed.flatten().tolist()
    return alpha, sigma


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
