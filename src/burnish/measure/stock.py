"""Stock diffusers, timed: `python stock.py MODEL FAMILY STEPS SCALE BATCH`, run by its path from `launch`.

Loads what a diffusers user would and nothing of ours, so that time and memory are theirs alone. MODEL must
have been checked before. Prints a line of JSON: cold_start_s from its launch to the first
pictures, then latency_s and cpu_s of a second batch.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def main(path: str, family: str, steps: int, scale: float, batch: int) -> None:
    """Runs the pipeline twice: once cold, once measured."""
    import torch
    from diffusers import DiffusionPipeline

    safety: dict[str, Any] = {"safety_checker": None, "requires_safety_checker": False}
    pipeline = DiffusionPipeline.from_pretrained(
        path,
        torch_dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        **(safety if family == "stable-diffusion" else {}),
    )
    pipeline.set_progress_bar_config(disable=True)
    others: dict[str, dict[str, Any]] = {
        "class-conditional": {"class_labels": [1] * batch, "guidance_scale": scale},
        "unconditional": {"batch_size": batch},
    }
    asked = others.get(family, {"prompt": ["1"] * batch, "guidance_scale": scale})
    pipeline(num_inference_steps=steps, **asked)
    cold = time.time() - float(os.environ["BURNISH_STARTED"])  # `launch` says it, which is not imported here
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline(num_inference_steps=steps, **asked)
    found = {
        "cold_start_s": cold,
        "latency_s": (time.perf_counter() - wall) / batch,
        "cpu_s": (time.process_time() - cpu) / batch,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
