"""The diffusers pipeline that several peers change: opened from the model directory, told what to draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from serve import Make, Request


def load_pipeline(asked: Request, **others: Any) -> Any:
    """StableDiffusionPipeline in the asked `dtype`, the asked `scheduler` made from the model's config."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(
        asked["model"],
        torch_dtype=getattr(torch, asked["options"].get("dtype", "float32")),
        local_files_only=True,
        use_safetensors=True,
        safety_checker=None,
        requires_safety_checker=False,
        **others,
    )
    return with_scheduler(pipeline, asked)


def with_scheduler(pipeline: Any, asked: Request) -> Any:
    """The pipeline with the asked scheduler and no progress bar."""
    import diffusers

    name = asked["options"].get("scheduler")
    if name:
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def maker(pipeline: Any, asked: Request, dtype: Any = None) -> Make:
    """Draws with the pipeline: asked calls and guidance, the given noise in the pipeline's `dtype`."""
    import torch

    options = asked["options"]

    def make(prompts: list[str], noise: np.ndarray, seeds: list[int], calls: int | None) -> np.ndarray:
        found = pipeline(
            prompts,
            num_inference_steps=calls or options["calls"],
            guidance_scale=options.get("guidance_scale", asked["scale"]),
            height=asked["height"],
            width=asked["width"],
            latents=torch.from_numpy(noise).to(dtype or torch.float32),
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        ).images
        return (np.asarray(found) * 255).round().astype(np.uint8)  # as the pipeline's own PIL pictures

    return make
