"""Sizes that a config says, read as the class that it belongs to would read them."""

from __future__ import annotations

import inspect
from typing import Any

from transformers import CLIPTextConfig, T5Config

from burnish.core.model import Family
from burnish.load.layouts import Layout, component_class

Config = dict[str, Any]

_TRANSFORMERS = {
    "CLIPTextModel": CLIPTextConfig,
    "CLIPTextModelWithProjection": CLIPTextConfig,
    "T5EncoderModel": T5Config,
}
_PATCHED: tuple[Family, ...] = ("class-conditional", "pixart", "stable-diffusion-3")
FLUX_PATCH = 2  # FluxPipeline packs so many latents a side into one token


def settle(library: str, class_name: str, config: Config) -> Config:
    """The config with the class's own defaults for what it does not say, as the class would read it."""
    if library == "transformers":
        cls = _TRANSFORMERS.get(class_name)
        defaults = cls().to_dict() if cls is not None else {}
    else:
        parameters = inspect.signature(component_class(library, class_name)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**defaults, **config}


def autoencoder_factor(vae: Config) -> int:
    """Pixels a latent stands for, along one side."""
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def denoiser_factor(family: Family, denoiser: Config) -> int:
    """What the side of the denoiser's input must be divisible by."""
    if family == "flux":
        return FLUX_PATCH
    if family in _PATCHED:
        return int(denoiser["patch_size"])
    return int(2 ** (len(denoiser["block_out_channels"]) - 1))


def latent_channels(family: Family, denoiser: Config) -> int:
    """Channels of the state; what Flux calls in_channels are those of a packed token."""
    return int(denoiser["in_channels"]) // (FLUX_PATCH**2 if family == "flux" else 1)


def side(config: Config, layout: Layout | None = None) -> int:
    """sample_size as one number, the pipeline's own where there is none; 0 where it is not square."""
    size = config.get("sample_size") or (layout.sample_size if layout else None)
    sides: list[Any] = [*size] if isinstance(size, (list, tuple)) else [size]
    same = all(isinstance(s, int) and s == sides[0] for s in sides)
    return int(sides[0]) if sides and same else 0
