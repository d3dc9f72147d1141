"""stable-diffusion.cpp through its Python package; noise is its own, because it takes none."""

from __future__ import annotations

import os

import numpy as np
from serve import Make, Request, serve


def open_model(asked: Request) -> Make:
    """The model directory as its loader takes it; it draws one picture at a time.

    Where the loader makes no model of it, this process ends at once, so that the loader's own line is the
    last on standard error: the package goes on, and crashes when it frees what was never made.
    """
    from stable_diffusion_cpp import StableDiffusion

    model = StableDiffusion(
        model_path=asked["model"], prediction="v" if asked["prediction_type"] == "v_prediction" else "eps"
    )
    if not model._model.model:
        os._exit(1)

    def make(prompts: list[str], noise: np.ndarray, seeds: list[int], calls: int | None) -> np.ndarray:
        pictures = [
            model.generate_image(
                prompt=prompt,
                seed=seed,
                sample_steps=calls or asked["options"]["calls"],
                cfg_scale=asked["scale"],
                width=asked["width"],
                height=asked["height"],
                sample_method=asked["options"]["scheduler"],
            )[0]
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        return np.stack([np.asarray(picture.convert("RGB"), dtype=np.uint8) for picture in pictures])

    return make


if __name__ == "__main__":
    serve(open_model)
