"""optimum-intel: the pipeline exported to OpenVINO once, its weights as they are or in int8."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from diffusers_pipeline import maker, with_scheduler
from serve import Make, Request, serve


def prepare(asked: Request) -> None:
    """Exports to `kept`/ir; `weights` are fp32, int8 (weights alone) or hybrid (convolutions in int8 too)."""
    from optimum.intel import OVStableDiffusionPipeline, OVWeightQuantizationConfig

    if _exported(asked).exists():  # another row's, of the same weights
        return
    weights = asked["options"]["weights"]
    how: dict[str, Any] = {"load_in_8bit": weights == "int8"}
    if weights == "hybrid":  # calibrated on prompts that nothing is judged by
        how = {"quantization_config": OVWeightQuantizationConfig(bits=8, dataset=asked["captions"])}
    pipeline = OVStableDiffusionPipeline.from_pretrained(
        asked["model"], export=True, compile=False, safety_checker=None, local_files_only=True, **how
    )
    aside = Path(asked["kept"]) / "aside"
    shutil.rmtree(aside, ignore_errors=True)  # half of one, from a run that was stopped
    pipeline.save_pretrained(aside)
    aside.rename(_exported(asked))


def open_model(asked: Request) -> Make:
    """The exported pipeline, compiled for one picture where `static` and so asked; `hint` is its precision.

    For several prompts `reshape` leaves its decoder at one picture, so a batch keeps free sizes.
    """
    options = asked["options"]
    cache = "" if options.get("no_cache") else str(Path(asked["kept"]) / "compiled")
    hint = {"INFERENCE_PRECISION_HINT": options["hint"]} if "hint" in options else {}
    pipeline = open_exported(asked, {"CACHE_DIR": cache, **hint})
    if options.get("static") and asked["batch"] == 1:
        pipeline.reshape(1, asked["height"], asked["width"], 1)
    pipeline.compile()
    return maker(pipeline, asked)


def open_exported(asked: Request, config: dict[str, str]) -> Any:
    """What `prepare` wrote, not compiled yet."""
    from optimum.intel import OVStableDiffusionPipeline

    pipeline = OVStableDiffusionPipeline.from_pretrained(
        _exported(asked), export=False, compile=False, safety_checker=None, ov_config=config
    )
    return with_scheduler(pipeline, asked)


def _exported(asked: Request) -> Path:
    return Path(asked["kept"]) / "ir"


if __name__ == "__main__":
    serve(open_model, prepare)
