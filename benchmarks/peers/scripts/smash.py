"""Pruna: `smash` with algorithms that declare the CPU, on the diffusers pipeline."""

from __future__ import annotations

from diffusers_pipeline import load_pipeline, maker
from serve import Make, Request, serve


def open_model(asked: Request) -> Make:
    """Smashed anew at each start: what Pruna saves for these algorithms is the original and a recipe."""
    from pruna import SmashConfig, smash

    pipeline = load_pipeline(asked)
    config = SmashConfig(asked["options"]["algorithms"], device="cpu", cache_dir_prefix=asked["kept"])
    return maker(smash(model=pipeline, smash_config=config), asked, pipeline.unet.dtype)


if __name__ == "__main__":
    serve(open_model)
