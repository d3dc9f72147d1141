"""How a pipeline asks its scheduler for the steps: what it gives `set_timesteps` beside their number."""

from __future__ import annotations

from inspect import signature
from typing import Any

from burnish.core.errors import ModelError
from burnish.core.model import Family, ModelCard

# What FluxPipeline and StableDiffusion3Pipeline take where the scheduler's config does not say.
_FEWEST, _MOST, _BASE_SHIFT = 256, 4096, 0.5
_LARGEST = 1e9  # of each of these, so that what is made of them is finite
_MAX_SHIFT: dict[Family, float] = {"flux": 1.15, "stable-diffusion-3": 1.16}


def step_arguments(card: ModelCard, scheduler: Any, num_inference_steps: int) -> dict[str, Any]:
    """Arguments of `scheduler.set_timesteps` for a picture of the card's size; {} for most families.

    Flux gives its own evenly spaced sigmas. Flux and Stable Diffusion 3 shift them by the size of the picture
    where the scheduler asks for it: mu is linear in the number of image tokens (Esser et al., arXiv
    2403.03206, section 5.3.2). A scheduler of another kind is given what it takes of these. Raises ModelError
    where the scheduler's config gives no such line.
    """
    config = scheduler.config
    found: dict[str, Any] = {}
    if card.family == "flux" and not config.get("use_flow_sigmas"):
        found["sigmas"] = [k / num_inference_steps for k in range(num_inference_steps, 0, -1)]
    if card.family in _MAX_SHIFT and config.get("use_dynamic_shifting"):
        found["mu"] = _shift(card, config)
    takes = signature(scheduler.set_timesteps).parameters
    return {name: value for name, value in found.items() if name in takes}


def _shift(card: ModelCard, config: Any) -> float:
    fewest, most = config.get("base_image_seq_len", _FEWEST), config.get("max_image_seq_len", _MOST)
    low, high = config.get("base_shift", _BASE_SHIFT), config.get("max_shift", _MAX_SHIFT[card.family])
    ends = (fewest, most, low, high)
    numbers = [e for e in ends if isinstance(e, (int, float)) and not isinstance(e, bool)]
    if len(numbers) < len(ends) or not all(abs(n) <= _LARGEST for n in numbers) or fewest == most:
        raise ModelError(
            f"scheduler: no shift by size from base_image_seq_len {fewest!r:.40}, max_image_seq_len "
            f"{most!r:.40}, base_shift {low!r:.40} and max_shift {high!r:.40}",
            "Take the scheduler's config from the model it belongs to",
        )
    tokens = (card.image_shape[1] // card.size_multiple) * (card.image_shape[2] // card.size_multiple)
    return float(low + (high - low) * (tokens - fewest) / (most - fewest))
