"""What int8 costs the pixels of icons, and what OpenVINO does to weights that it unpacks (decision 23).

    python -m benchmarks.decoder

The decoder: the same latents in each precision, PSNR against fp32 in dB, seconds of one picture. The denoiser
compiled again and again for two streams, others open beside it: how often it is another function than for one
stream, and how far off the worst is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openvino as ov

from benchmarks.ratios import publish
from burnish.api.models import store_of
from burnish.api.verdicts import default_suite
from burnish.build import GraphStore, build
from burnish.build.precision import quantized_decoder
from burnish.core.plan import Plan
from burnish.graphs.compress import compress
from burnish.graphs.quantize import quantize
from burnish.measure.cost import measure_cost
from burnish.program.trajectories import relative
from burnish.runtime import Pipeline, Request

CALIBRATED, JUDGED, AT_ONCE = 12, 32, 8
FEW = Plan(scheduler="UniPCMultistepScheduler", num_inference_steps=4, guidance_scale=4.9)
COMPILED, WRONG = 20, 1e-3  # times; relative, where the order of sums alone would give 0
Row = dict[str, object]


def decoders(pipeline: Pipeline, words: tuple[str, ...]) -> Iterator[Row]:
    """A row a precision of the decoder."""
    model = ov.Core().read_model(pipeline.directory / "decoder.xml")
    ends = np.concatenate([_ends(pipeline, words, k) for k in range(0, CALIBRATED + JUDGED, AT_ONCE)])
    samples = [{"sample": one[None]} for one in ends[:CALIBRATED]]
    exact = _pixels(_compiled(model, "f32"), ends[CALIBRATED:])
    kinds = {"fp32": (model, "f32"), "bf16": (model, "bf16")}
    kinds["int8 throughout"] = quantize(model, samples), "bf16"
    kinds["int8 but for its ends"] = quantized_decoder(model, samples), "bf16"
    for name, (graph, hint) in kinds.items():
        run = _compiled(graph, hint)
        off = ((_pixels(run, ends[CALIBRATED:]) - exact) ** 2).mean(axis=(1, 2, 3))
        psnr = float(np.mean(10 * np.log10(255**2 / off))) if off.all() else "exact"
        once = partial(run.infer, samples[0])
        yield {"": f"decoder, {name}", "PSNR_db": psnr, "latency_s": measure_cost(once, 20).latency_s}


def streams(pipeline: Pipeline, words: tuple[str, ...]) -> Iterator[Row]:
    """A row a way to store the denoiser's weights and to run it."""
    model, seen = ov.Core().read_model(pipeline.directory / "denoiser.xml"), list[dict[str, Any]]()
    keep = lambda role, wires: seen.append({n: np.array(x) for n, x in wires.items()})  # noqa: E731
    pipeline.observed(keep).latents(_request(words, 0))
    singles = [{name: x[:1] for name, x in wires.items()} for wires in seen]
    kinds = {"half precision": model, "8 bits": compress(model), "int8": quantize(model, singles)}
    open_ones: list[Any] = []
    for name, graph in kinds.items():
        graph.reshape({name: list(x.shape) for name, x in seen[0].items()})
        for hint in ("bf16",) if name == "int8" else ("f32", "bf16"):
            one, errors = _output(_compiled(graph, hint), seen[0]), list[float]()
            for _ in range(COMPILED):
                request = _compiled(graph, hint, NUM_STREAMS=2)
                open_ones = [*open_ones[-2:], request]
                errors.append(relative(_output(request, seen[0]), one))
            wrong = sum(error > WRONG for error in errors)
            yield {
                "": f"denoiser, two streams, {name}, {hint}",
                "wrong": f"{wrong} of {COMPILED}",
                "worst error": max(errors),
            }


def _request(words: tuple[str, ...], first: int) -> Request:
    seeds = tuple(range(first, min(first + AT_ONCE, CALIBRATED + JUDGED)))
    return Request(seeds=seeds, prompts=tuple(words[k % len(words)] for k in seeds))


def _ends(pipeline: Pipeline, words: tuple[str, ...], first: int) -> Any:
    return pipeline.decoder_input(pipeline.latents(_request(words, first)))


def _compiled(model: Any, hint: str, **options: Any) -> Any:
    asked = {"INFERENCE_PRECISION_HINT": hint, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0", **options}
    return ov.Core().compile_model(model, "CPU", asked).create_infer_request()


def _output(request: Any, wires: dict[str, Any]) -> Any:
    return next(iter(request.infer(wires).values())).copy()


def _pixels(run: Any, ends: Any) -> Any:
    """(n, 3, h, w) in 0 to 255, rounded."""
    x = np.concatenate([_output(run, {"sample": one[None]}) for one in ends])
    return ((x * 0.5 + 0.5).clip(0, 1) * 255).round()


def main() -> None:
    """Parses nothing; measures and writes the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.decoder").parse_args()
    store: GraphStore = store_of("icons")
    words = tuple(p.prompt for p in default_suite(store.model.card).selection)
    with TemporaryDirectory(dir=store.root) as folder:
        build(store, FEW, Path(folder) / "fp32")
        pipeline = Pipeline(Path(folder) / "fp32", verify=False)
        publish("decoder", [*decoders(pipeline, words), *streams(pipeline, words)], ())


if __name__ == "__main__":
    main()
