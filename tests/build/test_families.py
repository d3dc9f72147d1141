"""Stable Diffusion XL and 3, Flux and PixArt, built and drawn: the same pictures as diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from burnish.build import GraphStore, build
from burnish.core.noise import noise
from burnish.core.plan import Plan
from burnish.load import open_model, reference_pipeline
from burnish.runtime import Pipeline, Request
from tests import tiny_models
from tests.conftest import psnr

SEEDS = (7, 8)
PROMPT = "Red apple"
SIZE = 32  # of the pictures; Flux's own are larger
# What makes each, the guidance it is drawn with, and what its stock pipeline is told besides.
FAMILIES: dict[str, tuple[Callable[[Path], Path], float, dict[str, Any]]] = {
    "stable-diffusion-xl": (tiny_models.stable_diffusion_xl, 5.0, {}),
    "stable-diffusion-3": (tiny_models.stable_diffusion_3, 7.0, {}),
    "flux": (tiny_models.flux, 3.5, {}),
    "pixart": (tiny_models.pixart_sigma, 4.5, {"use_resolution_binning": False}),
}


def stock(family: str, model: Path, plan: Plan, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The stock pipeline's pictures of the seeds' own noise, unrounded in 0..255."""
    pipeline = reference_pipeline(model)
    latents = torch.from_numpy(noise(SEEDS, shape))
    if family == "flux":
        latents = pipeline._pack_latents(latents, len(SEEDS), *shape)
    found = pipeline(
        [PROMPT] * len(SEEDS),
        latents=latents,
        height=SIZE,
        width=SIZE,
        num_inference_steps=plan.num_inference_steps,
        guidance_scale=plan.guidance_scale,
        output_type="np",
        **FAMILIES[family][2],
    )
    return found.images * 255


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_those_of_diffusers(family: str, tmp_path: Path) -> None:
    """From the same noise, text and guidance the fp32 bundle is the stock pipeline at 45 dB or better."""
    make, scale, _ = FAMILIES[family]
    opened = open_model(make(tmp_path / "model"), size=SIZE)
    plan = Plan(num_inference_steps=3, guidance_scale=scale)
    made = build(GraphStore(opened, tmp_path / "graphs"), plan, tmp_path / "bundle")
    assert made.model.family == family
    ours = Pipeline(tmp_path / "bundle").generate(Request(seeds=SEEDS, prompts=(PROMPT,) * 2))
    expected = stock(family, tmp_path / "model", plan, opened.card.latent_shape)
    assert np.ptp(expected) > 50
    assert psnr(expected[0], expected[1]) < 35  # each seed has a picture of its own
    assert all(psnr(a, b) > 45 for a, b in zip(ours, expected, strict=True))
