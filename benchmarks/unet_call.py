"""One denoiser pass in PyTorch and in ours, and what share of the machine's matrix-product rate it reaches.

    python -m benchmarks.unet_call [--model sd15]        Stable Diffusion 1.5 at 512 pixels, or icons

sd15 has the published configs and random weights: this shows speed, not quality. int8 is calibrated on two
random inputs for the same reason. Each row is a process of its own, so that peak memory is its own.
Operations are two a multiplication of convolutions and matrix products; the rate is that of large products on
this machine, in the same precision. `products` is the share of the time that those layers take; the rest is
everything that moves and does not multiply: normalization, softmax, activations, reordering.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ratios import publish
from burnish.load import probe_device
from burnish.measure.cost import measure_cost, measure_in_process

ROWS = ("torch-fp32", "torch-bf16", "burnish-fp32", "burnish-bf16", "burnish-int8")
REPEATS = 5
FOLDER = Path("runs/models")  # what is written once
Shapes = dict[str, tuple[int, ...]]  # of wires by their names, the batch included
MULTIPLY = ("Convolution", "FullyConnected", "MatMul", "ScaledAttn", "MHA")  # as the plugin calls its layers


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


def directory_of(name: str) -> Path:
    """The model's directory, written now where it is the large one and not there yet."""
    from burnish.load import resolve

    if name == "icons":
        return Path(resolve(name))
    from benchmarks.peers.models import write_sd15

    write_sd15(FOLDER / name)
    return FOLDER / name


def graphs_of(name: str, precision: str, depth: int = 0) -> dict[str, tuple[Path, Shapes]]:
    """Files of the denoiser, or of the pieces that it is cut into, and the shapes of what a pass gives."""
    from burnish.build import GraphStore
    from burnish.build.calibration import Calibration
    from burnish.core.bundle import PIECES, WHOLE
    from burnish.core.plan import Plan
    from burnish.load import open_model

    store = GraphStore(open_model(directory_of(name)), FOLDER / "graphs")
    found = store.denoiser(depth, "bf16" if precision == "int8" else precision)
    known = {wire: shape for graph, _ in found for wire, shape in graph.outputs.items()}
    known |= {"sample": store.model.card.latent_shape}
    run = [graph for graph, _ in found if graph.role in (*WHOLE, *PIECES)]
    shapes = {graph.role: {wire: (1, *known[wire]) for wire in graph.inputs} for graph in run}
    if precision == "int8":
        few = {role: [wires(given, k) for k in (0, 1)] for role, given in shapes.items()}
        plan = Plan(precision="int8", cut=depth, fresh_calls=1 if depth else 0)
        found = store.rounded(plan, Calibration("random", lambda: few))
    return {graph.role: (path, shapes[graph.role]) for graph, path in found if graph.role in shapes}


def _made(name: str, precision: str) -> Path:
    """Where it is said which graph was made, and for which shapes."""
    return FOLDER / f"{name}-{precision}.json"


def wires(shapes: Shapes, seed: int) -> dict[str, np.ndarray]:
    """Random wires of one pass."""
    rng = np.random.default_rng(seed)
    return {wire: rng.standard_normal(shape, dtype=np.float32) for wire, shape in shapes.items()}


def operations(model: Any) -> float:
    """Two for each multiplication of a static graph's convolutions and matrix products."""
    total = 0
    for node in model.get_ops():
        kind, shapes = node.get_type_name(), [list(port.get_shape()) for port in node.inputs()]
        if kind in ("Convolution", "GroupConvolution"):
            total += math.prod(node.output(0).get_shape()) * math.prod(shapes[1]) // shapes[1][0]
        elif kind == "MatMul":
            inner = shapes[0][-2 if node.get_attributes()["transpose_a"] else -1]
            total += math.prod(node.output(0).get_shape()) * inner
        elif kind == "ScaledDotProductAttention":
            total += (
                math.prod(shapes[0]) * shapes[1][-2] + math.prod(node.output(0).get_shape()) * shapes[1][-2]
            )
    return 2.0 * total


def run_torch(name: str, precision: str) -> dict[str, float]:
    """PyTorch eager, as diffusers calls it; called in a child."""
    import torch

    from burnish.load import open_model

    model = open_model(directory_of(name))
    net, dtype = model.denoiser.float(), torch.bfloat16 if precision == "bf16" else torch.float32
    net = net.to(dtype)
    width, length = net.config.cross_attention_dim, model.card.max_tokens
    sample = torch.randn(1, *model.card.latent_shape, dtype=dtype)
    states, pooled = torch.randn(1, length, width, dtype=dtype), torch.randn(1, width, dtype=dtype)

    def once() -> None:
        with torch.inference_mode():
            labels = pooled if net.config.class_embed_type else None
            net(sample, 500, states, class_labels=labels)

    return dict(measure_cost(once, REPEATS)._asdict())


def read(path: Path, shapes: Shapes) -> Any:
    """A graph for inputs of these shapes."""
    import openvino as ov

    model = ov.Core().read_model(path)
    model.reshape({wire: list(shape) for wire, shape in shapes.items()})
    return model


def compiled(model: Any, precision: str, **options: str) -> Any:
    """A request, compiled as the runtime does."""
    import openvino as ov

    from burnish.runtime.graphs import INFERENCE_PRECISION

    own = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": INFERENCE_PRECISION[precision]}
    return ov.Core().compile_model(model, "CPU", own | options).create_infer_request()


def run_ours(name: str, precision: str) -> dict[str, float]:
    """The same pass through the runtime's options; called in a child."""
    made = json.loads(_made(name, precision).read_text())  # no model in the process that is measured
    model, given = read(made["path"], made["shapes"]), wires(made["shapes"], 0)
    gop = operations(model) / 1e9
    request = compiled(model, precision)
    cost = measure_cost(lambda: request.infer(given), REPEATS)
    profiled = compiled(model, precision, PERF_COUNT="YES")
    return {
        **cost._asdict(),
        "gop": gop,
        "gop_s": gop / cost.latency_s,
        "products": products(profiled, given),
    }


def products(request: Any, given: dict[str, np.ndarray]) -> float:
    """The share of a pass's time in layers that multiply, as the plugin counts it."""
    request.infer(given)
    request.infer(given)
    times = [(info.node_type, info.real_time.total_seconds()) for info in request.profiling_info]
    return sum(t for kind, t in times if kind in MULTIPLY) / sum(t for _, t in times)


def child(name: str, row: str) -> None:
    """Prints what one row costs."""
    kind, precision = row.split("-")
    if kind == "make":
        path, shapes = graphs_of(name, precision)["denoiser"]
        _made(name, precision).write_text(json.dumps({"path": str(path), "shapes": shapes}))
        return
    found = run_torch(name, precision) if kind == "torch" else run_ours(name, precision)
    numbers = {k: v for k, v in found.items() if isinstance(v, (int, float))}
    sys.stdout.write(json.dumps(numbers) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("sd15", "icons"), default="sd15")
    parser.add_argument("--child", metavar="ROW")
    args = parser.parse_args()
    if args.child:
        child(args.model, args.child)
        return
    command = [sys.executable, "-m", "benchmarks.unet_call", "--model", args.model, "--child"]
    gops = probe_device().gops
    for precision in ("fp32", "bf16", "int8"):  # not within what is measured
        measure_in_process([*command, f"make-{precision}"])
    rows: list[dict[str, object]] = []
    for row in ROWS:
        whole = measure_in_process([*command, row])
        found = json.loads(whole.output.strip().splitlines()[-1])
        if "gop_s" in found:
            found["of_rate"] = found["gop_s"] / getattr(gops, row.split("-")[1])
        rows.append({"": row, **{k: float(v) for k, v in found.items()}, "peak_mib": whole.peak_mib})
    publish(f"unet_call_{args.model}", rows, ("latency_s", "cpu_s", "peak_mib"))


if __name__ == "__main__":
    main()
