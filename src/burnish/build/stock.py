"""`python -m burnish.build.stock MODEL STEPS`: one picture with the stock diffusers pipeline, timed.

Prints a line of JSON: cold_start_s from process start to picture, then latency_s and cpu_s of the next one.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()


def main(path: Path, steps: int) -> None:
    """Runs the pipeline twice: once cold, once measured."""
    from burnish.load import inspect, reference_pipeline

    family = inspect(path).family
    pipeline = reference_pipeline(path)
    asked: dict[str, dict[str, Any]] = {
        "stable-diffusion": {"prompt": "1", "guidance_scale": 7.5},
        "class-conditional": {"class_labels": [1], "guidance_scale": 4.0},
        "unconditional": {},
    }
    pipeline(num_inference_steps=steps, **asked[family])
    cold = time.perf_counter() - STARTED
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline(num_inference_steps=steps, **asked[family])
    print(  # noqa: T201 - this is the module's whole answer
        json.dumps(
            {
                "cold_start_s": cold,
                "latency_s": time.perf_counter() - wall,
                "cpu_s": time.process_time() - cpu,
                "passes": steps * (1 if family == "unconditional" else 2),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
