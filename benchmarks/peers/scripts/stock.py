"""Stock diffusers, and diffusers tuned by hand: scheduler, dtype, memory format, torch.compile."""

from __future__ import annotations

from diffusers_pipeline import load_pipeline, maker
from serve import Make, Request, serve


def open_model(asked: Request) -> Make:
    """As a user loads it; `channels_last` and `compile` are for the UNet and the decoder."""
    import torch

    pipeline = load_pipeline(asked)
    if asked["options"].get("channels_last"):
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    if asked["options"].get("compile"):
        pipeline.unet = torch.compile(pipeline.unet)
        pipeline.vae.decode = torch.compile(pipeline.vae.decode)
    return maker(pipeline, asked, pipeline.unet.dtype)


if __name__ == "__main__":
    serve(open_model)
