"""fp32 bundles against the diffusers pipelines from the same initial noise, a row for each family.

    python -m benchmarks.parity

Stable Diffusion: the embedded icons model. DDPM and DiT: published configs (google/ddpm-cifar10-32, DiT-S/2
at 256 pixels), random weights, which is enough to see whether two programs compute the same. Schedulers
clip on neither side, since no table clips. 60 dB is where the metric ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMPipeline,
    DDIMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    UNet2DModel,
)
from diffusers.pipelines.ddim import pipeline_ddim
from diffusers.pipelines.dit import pipeline_dit

from benchmarks.ratios import publish
from burnish import api
from burnish.core.noise import noise
from burnish.core.plan import Plan
from burnish.load import reference_pipeline, resolve
from burnish.measure.metrics.psnr import psnr
from burnish.runtime import Pipeline, Request

STEPS, GUIDANCE = 20, 4.0
SEEDS = (7, 8)
PROMPT = "red apple, noto style"


def unconditional(path: Path) -> Path:
    """google/ddpm-cifar10-32, with a deterministic sampler: 35.7 M parameters."""
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=32,
        block_out_channels=(128, 256, 256, 256),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None,
        norm_eps=1e-6,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
    )
    scheduler = DDIMScheduler(clip_sample=False)
    DDIMPipeline(unet=unet, scheduler=scheduler).save_pretrained(path, safe_serialization=True)
    return path


def class_conditional(path: Path) -> Path:
    """DiT-S/2 over 32 x 32 latents (33 M parameters), with the autoencoder of Stable Diffusion."""
    torch.manual_seed(0)
    transformer = DiTTransformer2DModel(
        num_attention_heads=6,
        attention_head_dim=64,
        in_channels=4,
        out_channels=8,
        num_layers=12,
        sample_size=32,
        patch_size=2,
        num_embeds_ada_norm=1000,
    )
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=256,
    )
    scheduler = DDIMScheduler(clip_sample=False)
    DiTPipeline(transformer=transformer, vae=vae, scheduler=scheduler).save_pretrained(
        path, safe_serialization=True
    )
    return path


def theirs(family: str, model: Path, latents: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) uint8 by the stock pipeline."""
    pipeline: Any = reference_pipeline(model)
    given = torch.from_numpy(latents)
    asked: dict[str, Any] = {"num_inference_steps": STEPS, "output_type": "np"}
    if family == "stable-diffusion":
        asked |= {"prompt": [PROMPT] * len(SEEDS), "latents": given, "guidance_scale": GUIDANCE}
        images = pipeline(**asked).images
    elif family == "class-conditional":
        pipeline_dit.randn_tensor = lambda *_, **__: given
        images = pipeline([3] * len(SEEDS), guidance_scale=GUIDANCE, **asked).images
    else:
        pipeline_ddim.randn_tensor = lambda *_, **__: given
        stock = DDIMPipeline(unet=pipeline.unet, scheduler=pipeline.scheduler)
        images = stock(batch_size=len(SEEDS), use_clipped_model_output=False, **asked).images
    return (np.asarray(images) * 255).round().astype(np.uint8)


def row(family: str, model: Path, folder: Path) -> dict[str, object]:
    """Builds the fp32 bundle and compares its pictures."""
    plan = Plan(num_inference_steps=STEPS, guidance_scale=1.0 if family == "unconditional" else GUIDANCE)
    api.build(model, plan, folder)
    pipeline = Pipeline(folder)
    conditions: dict[str, dict[str, Any]] = {
        "stable-diffusion": {"prompts": (PROMPT,)},
        "class-conditional": {"class_labels": (3,)},
        "unconditional": {},
    }
    ours = pipeline.generate(Request(seeds=SEEDS, **conditions[family]))
    stock = theirs(family, model, noise(SEEDS, pipeline.bundle.model.latent_shape))
    card = pipeline.bundle.model
    return {
        "": family,
        "model": card.name,
        "parameters_m": card.parameters / 1e6,
        "psnr_db": float(psnr(ours, stock).min()),
        "asked_db": 45.0,
        "contrast": float(np.ptp(stock)),  # levels: two blank pictures would agree too
    }


MODELS: dict[str, Callable[[Path], Path]] = {
    "stable-diffusion": lambda _: resolve("icons"),
    "unconditional": unconditional,
    "class-conditional": class_conditional,
}


def main() -> None:
    """One row a family."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row(family, make(Path(folder) / family), Path(folder) / f"{family}-bundle")
            for family, make in MODELS.items()
        ]
    publish("parity", rows, ())


if __name__ == "__main__":
    main()
