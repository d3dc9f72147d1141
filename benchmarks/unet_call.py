"""One call of Stable Diffusion 1.5's UNet at 512 pixels: PyTorch fp32 and bf16, our fp32, bf16 and int8.

    python -m benchmarks.unet_call

Published config, random weights: this shows speed, not quality. int8 is calibrated on two random inputs for
the same reason. Each row is a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ratios import publish
from burnish.measure.cost import measure_cost, measure_in_process

ROWS = ("torch-fp32", "torch-bf16", "burnish-fp32", "burnish-bf16", "burnish-int8")
REPEATS = 3


def unet() -> Any:
    """UNet2DConditionModel as published for Stable Diffusion 1.5, 860 M parameters, seeded random weights."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=64,
        in_channels=4,
        out_channels=4,
        block_out_channels=(320, 640, 1280, 1280),
        layers_per_block=2,
        cross_attention_dim=768,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    ).eval()


def inputs() -> dict[str, np.ndarray]:
    """One conditional pass."""
    rng = np.random.default_rng(0)
    return {
        "sample": rng.standard_normal((1, 4, 64, 64), dtype=np.float32),
        "time_proj": rng.uniform(-1, 1, (1, 320)).astype(np.float32),
        "condition": rng.standard_normal((1, 77, 768), dtype=np.float32),
    }


def capture(directory: Path) -> None:
    """Lowers the UNet once, fp32 and int8."""
    import torch

    from burnish.graphs import Capture, lower, quantize, save
    from burnish.graphs.capture import ConditionalDenoiser

    given = {k: torch.from_numpy(v) for k, v in inputs().items()}
    module = ConditionalDenoiser(unet())
    model = lower(Capture(role="denoiser", module=module, examples=given, dynamic=dict.fromkeys(given, (0,))))
    save(model, directory / "fp32.xml", half=False)
    del module
    save(quantize(model, [inputs()]), directory / "int8.xml", half=True)


def run_torch(bf16: bool) -> dict[str, float]:
    """PyTorch eager, as diffusers calls it."""
    import torch

    model, given = unet(), {k: torch.from_numpy(v) for k, v in inputs().items()}
    if bf16:
        model, given = model.bfloat16(), {k: v.bfloat16() for k, v in given.items()}

    def once() -> None:
        with torch.inference_mode():
            model(given["sample"], 500, given["condition"])

    return measure_cost(once, REPEATS)._asdict()


def run_ours(directory: Path, precision: str) -> dict[str, float]:
    """The same call through the runtime's compiled graph."""
    import openvino as ov

    from burnish.core.bundle import Graph, Parity
    from burnish.runtime.graphs import CompiledGraph

    given = inputs()
    name = "int8" if precision == "int8" else "fp32"
    graph = Graph(
        role="denoiser",
        file=f"{name}.xml",
        inputs=tuple(given),
        output_shape=(4, 64, 64),
        precision=precision,
        parity=Parity(relative_error=0, max_abs_error=0),
    )
    compiled = CompiledGraph(ov.Core(), directory / graph.file, graph)

    def once() -> None:
        compiled(**given)

    return measure_cost(once, REPEATS)._asdict()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--graphs", type=Path, help="Keep the lowered graphs here, and use what is there.")
    parser.add_argument("--child", nargs=2, metavar=("ROW", "DIRECTORY"))
    args = parser.parse_args()
    if args.child:
        kind, precision = args.child[0].split("-")
        directory = Path(args.child[1])
        if precision == "capture":
            capture(directory)
            return
        print(
            json.dumps(run_torch(precision == "bf16") if kind == "torch" else run_ours(directory, precision))
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.unet_call", "--child"]
        graphs = str(args.graphs or folder)
        if not (Path(graphs) / "int8.bin").is_file():
            measure_in_process([*command, "burnish-capture", graphs])
        rows: list[dict[str, object]] = []
        for row in ROWS:
            whole = measure_in_process([*command, row, graphs])
            found = json.loads(whole.output.strip().splitlines()[-1])
            rows.append({"": row, **{k: float(v) for k, v in found.items()}, "peak_mib": whole.peak_mib})
    publish("unet_call", rows, ("latency_s", "cpu_s", "peak_mib"))


if __name__ == "__main__":
    main()
