"""What fewer bits cost the icons denoiser and what they save: errors, seconds a pass, bytes on disk.

    python -m benchmarks.precision [--attention]

`error` is relative, of the denoiser's outputs over recorded inputs of an 8-call plan; `endpoint_error` that
of the pictures of 12 prompts by that plan, against their contrast; both against fp32. Passes are timed in
turns, in one process, at batch 1. What is kept is what `graphs.sensitivity` says. `--attention` times instead
one self-attention of Stable Diffusion 1.5 at 64x64 latents, random weights, with and without merged tokens.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.ratios import publish
from burnish.api.models import store_of
from burnish.api.verdicts import default_suite
from burnish.build import build, plan_program, reference_plan
from burnish.build.calibration import record, request_for
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.files import digest
from burnish.graphs import quantize, save
from burnish.graphs.compress import Weights, compress
from burnish.graphs.sensitivity import most_sensitive, sensitivity
from burnish.graphs.shortcuts import split_shortcuts
from burnish.graphs.token_merging import merge_tokens
from burnish.program.trajectories import relative
from burnish.runtime import Pipeline
from burnish.runtime.graphs import INFERENCE_PRECISION
from burnish.search import conditions_of

ROLE = "denoiser"
TESTED = 32  # recorded inputs that errors are measured on
ROUNDS = 40
SHARES = (0.05, 0.1, 0.2)
EIGHT_BITS = 0.1  # of the layers in 4
MERGED = 0.75  # of the tokens
WEIGHTS: tuple[Weights, ...] = ("int8", "int4")
BEST = "int4 weights, samples, 10% int8"
Inputs = dict[str, Any]
Variant = tuple[Any, str]  # a graph, and the precision that it runs in


def variants(model: Any, samples: list[Inputs]) -> dict[str, Variant]:
    """Every row's denoiser, and the precision that the rest of it runs in."""
    split = split_shortcuts(model)
    whole, seeing = quantize(split, samples), compress(model, "int4", samples=samples)
    ranked, ranked4 = sensitivity(split, samples, whole), sensitivity(model, samples, seeing)
    found: dict[str, Variant] = {
        "fp32": (model, "fp32"),
        "bf16": (model, "bf16"),
        "int8": (quantize(model, samples), "int8"),
        "int8, shortcuts split": (whole, "int8"),
    }
    for share in SHARES:
        keep = most_sensitive(ranked, share)
        found[f"int8, {share:.0%} kept"] = quantize(split, samples, keep=keep), "int8"
    keep = most_sensitive(ranked4, EIGHT_BITS)
    return found | {
        "int8 weights": (compress(model, "int8"), "bf16"),
        "int4 weights, nearest": (compress(model, "int4"), "bf16"),
        "int4 weights, samples": (seeing, "bf16"),
        BEST: (compress(model, "int4", samples=samples, keep=keep), "bf16"),
        "merged tokens": (merge_tokens(model, MERGED), "fp32"),
    }


def every_graph(base: Path, denoiser: Any, weights: Weights) -> dict[str, Variant]:
    """All graphs of a bundle in few bits, this denoiser among them."""
    others = [g for g in Bundle.read(base / MANIFEST).graphs if g.role not in (ROLE, "time_proj")]
    read = ov.Core().read_model
    few: dict[str, Variant] = {g.role: (compress(read(base / g.file), weights), g.precision) for g in others}
    return few | {ROLE: (denoiser, "bf16")}


def with_graphs(base: Path, target: Path, graphs: dict[str, Variant]) -> Path:
    """A copy of a bundle with some graphs in place of its own, under its own digests."""
    shutil.copytree(base, target)
    bundle = Bundle.read(target / MANIFEST)
    digests, changed = dict(bundle.files), []
    for graph in bundle.graphs:
        if graph.role in graphs:
            other, precision = graphs[graph.role]
            for name in (graph.file, graph.file.replace(".xml", ".bin")):
                (target / name).unlink()  # it may be a hard link to the store's
            save(other, target / graph.file, half=True)
            digests |= {n: digest(target / n) for n in (graph.file, graph.file.replace(".xml", ".bin"))}
            graph = graph.model_copy(update={"precision": precision})
        changed.append(graph)
    bundle.model_copy(update={"graphs": tuple(changed), "files": digests}).save(target / MANIFEST)
    return target


def size_mib(bundle: Path, role: str = "*") -> float:
    """Bytes of one graph, or of all with the tokenizer."""
    found = [*bundle.glob(f"{role}.xml"), *bundle.glob(f"{role}.bin"), *bundle.glob(f"{role}tokenizer*.json")]
    return sum(path.stat().st_size for path in set(found)) / 2**20


def request_of(bundle: Path, precision: str, sample: Inputs) -> Any:
    """The bundle's denoiser, compiled for one sample as the runtime compiles it."""
    model = ov.Core().read_model(bundle / f"{ROLE}.xml")
    model.reshape({name: list(x.shape) for name, x in sample.items()})
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": INFERENCE_PRECISION[precision]}
    return ov.Core().compile_model(model, "CPU", options).create_infer_request()


def seconds(requests: dict[str, Any], samples: list[Inputs]) -> dict[str, float]:
    """The median pass of each, in turns: what else the machine does slows all alike."""
    taken: dict[str, list[float]] = {name: [] for name in requests}
    for k in range(ROUNDS):
        for name, request in requests.items():
            begun = time.perf_counter()
            request.infer(samples[k % len(samples)])
            taken[name].append(time.perf_counter() - begun)
    return {name: float(np.median(times[2:])) for name, times in taken.items()}


def outputs(request: Any, samples: list[Inputs]) -> np.ndarray:
    return np.stack([np.array(request.infer(sample)[0]) for sample in samples])


def icons(folder: Path) -> list[dict[str, object]]:
    """A row a variant, and two with every graph in few bits."""
    store = store_of("icons")
    update = {"scheduler": "UniPCMultistepScheduler", "num_inference_steps": 8}
    plan = reference_plan(store.model).model_copy(update=update)
    conditions = conditions_of(default_suite(store.model.card))
    program = plan_program(store.model, plan)
    base = folder / "base"
    build(store, plan, base)
    samples = record(store, plan, program, conditions)[ROLE]
    tested = [samples[k] for k in np.linspace(0, len(samples) - 1, TESTED).round().astype(int)]
    model = ov.Core().read_model(base / f"{ROLE}.xml")
    graphs = {name: {ROLE: variant} for name, variant in variants(model, samples).items()}
    for weights in WEIGHTS:
        graphs[f"the same, other graphs {weights}"] = every_graph(base, graphs[BEST][ROLE][0], weights)
    made = {
        name: (with_graphs(base, folder / f"{k}", changed), changed[ROLE][1])
        for k, (name, changed) in enumerate(graphs.items())
    }
    requests = {name: request_of(path, precision, samples[0]) for name, (path, precision) in made.items()}
    times, exact = seconds(requests, tested), outputs(requests["fp32"], tested)
    pictures = {}
    for name, (path, _) in made.items():
        pipeline = Pipeline(path, verify=False)
        pictures[name] = pipeline.generate(request_for(pipeline, conditions, program)).astype(np.float32)
    contrast = float(np.linalg.norm(pictures["fp32"] - pictures["fp32"].mean()))
    return [
        {
            "": name,
            "error": relative(outputs(requests[name], tested), exact),
            "endpoint_error": float(np.linalg.norm(pictures[name] - pictures["fp32"])) / contrast,
            "pass_s": times[name],
            "denoiser_mib": size_mib(path, ROLE),
            "all_mib": size_mib(path),
        }
        for name, (path, _) in made.items()
    ]


def attention() -> list[dict[str, object]]:
    """Self-attention with 320 channels in 8 heads over 64x64 latents, in fp32 and bf16."""
    import torch
    from diffusers.models.attention_processor import Attention

    class OverLatents(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention(query_dim=320, heads=8, dim_head=40)

        def forward(self, sample: torch.Tensor) -> torch.Tensor:
            tokens = self.attention(sample.flatten(2).transpose(1, 2))
            return tokens.transpose(1, 2).reshape(sample.shape)

    torch.manual_seed(0)
    example = torch.randn(1, 320, 64, 64)
    with torch.no_grad():
        model = ov.convert_model(OverLatents().eval(), example_input=(example,), input=[list(example.shape)])
    model.inputs[0].get_tensor().set_names({"sample"})
    graphs = {"": model, ", merged": merge_tokens(model, MERGED)}
    requests = {
        f"{precision}{name}": ov.Core()
        .compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": INFERENCE_PRECISION[precision]})
        .create_infer_request()
        for precision in ("fp32", "bf16")
        for name, graph in graphs.items()
    }
    times = seconds(requests, [{"sample": example.numpy()}])
    return [{"": name, "pass_s": taken} for name, taken in times.items()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--attention", action="store_true")
    if parser.parse_args().attention:
        publish("precision_attention", attention(), ("pass_s",))
        return
    with tempfile.TemporaryDirectory() as folder:
        publish("precision", icons(Path(folder)), ("pass_s", "denoiser_mib", "all_mib"))


if __name__ == "__main__":
    main()
