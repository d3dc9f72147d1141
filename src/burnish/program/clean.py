"""The clean picture each call implies, a * x_i + b * m_i, by its noise level and what the denoiser predicts.

With x = alpha x0 + sigma e: epsilon predicts e (Ho et al. 2020, arXiv 2006.11239), v_prediction predicts
(alpha e - sigma x0) / s with s^2 = alpha^2 + sigma^2 (Salimans & Ho 2022, arXiv 2202.00512), sample predicts
x0, flow_prediction predicts e - x0 with alpha = 1 - sigma (Lipman et al. 2022, arXiv 2210.02747).
Preconditioned schedulers know their own c_skip and c_out (Karras et al. 2022, arXiv 2206.00364, table 1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from burnish.program.draws import refusal
from burnish.program.schedule import Call, Level, Schedule

Pair = tuple[float, float]
# A scheduler's own clean picture may miss a * x_i + b * m_i by this, relative to its largest entry.
_TOLERANCE = 1e-4
NO_SIGNAL = "If it begins without signal, set rescale_betas_zero_snr=False, or use a model with v_prediction"


def _v_prediction(alpha: float, sigma: float) -> Pair:
    square = alpha * alpha + sigma * sigma
    return alpha / square, -sigma / square**0.5


FORMULAS: dict[str, Callable[[float, float], Pair]] = {
    "epsilon": lambda alpha, sigma: (1.0 / alpha, -sigma / alpha),
    "v_prediction": _v_prediction,
    "sample": lambda alpha, sigma: (0.0, 1.0),
    "flow_prediction": lambda alpha, sigma: (1.0, -sigma),
}


def derived(schedule: Schedule, call: int, level: Level | None) -> Pair:
    """(a, b) of call `call` from noise level and prediction type; raises ProgramError if one is unknown."""
    scheduler, name = schedule.scheduler, schedule.name
    # Flow-matching schedulers have one prediction type, so their configs do not name it.
    flow = "flow_prediction" if hasattr(scheduler, "scale_noise") else None
    prediction = scheduler.config.get("prediction_type", flow)
    if level is None:
        raise refusal(name, "its clean picture cannot be known: it has no add_noise or scale_noise")
    if prediction not in FORMULAS:
        raise refusal(name, f"its clean picture cannot be known: prediction type {prediction}")
    if hasattr(scheduler, "precondition_outputs"):
        a, b = scheduler.precondition_outputs(*torch.eye(2, dtype=torch.float64), level[1]).tolist()
        return a, b
    try:
        return FORMULAS[prediction](*level)
    except ZeroDivisionError:
        reason = f"call {call} sees pure noise, from which {prediction} cannot tell a picture"
        raise refusal(name, reason, NO_SIGNAL) from None


def measured(schedule: Schedule, call: int, step: Call) -> Pair | None:
    """(a, b) of call `call` as the scheduler's own `pred_original_sample` has it; None if it gives none.

    `step` is that call run on basis vectors, in which output j alone is entry 1 + j. Raises ProgramError if
    the scheduler's clean picture is anything but a * x_i + b * m_i.
    """
    if step.clean is None:
        return None
    clean, state = step.clean.to(torch.float64).flatten(), step.state.flatten()
    b = clean[1 + call].item()
    rest = clean.clone()
    rest[1 + call] = 0.0
    a = (rest @ state / (state @ state)).item()
    if (rest - a * state).abs().max() > _TOLERANCE * clean.abs().max():
        raise refusal(schedule.name, "its clean picture mixes more than the present state and output")
    return a, b
