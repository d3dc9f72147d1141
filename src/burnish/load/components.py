"""A checked directory as live PyTorch modules, and as the stock pipeline that all else is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import diffusers
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from burnish.core.errors import ModelError
from burnish.core.model import ModelCard
from burnish.load.card import card_of
from burnish.load.directory import INDEX, CheckedDirectory, check_directory, check_unchanged
from burnish.load.layouts import component_class

EMBEDDED = ("icons",)

# What the libraries raise for a config that parses, passes our checks, and still makes no sense to them.
_REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, eq=False)
class OpenedModel:
    """The parts of a model: float32, eval mode, no gradients, on the CPU; None where the family has none.

    `tokenizer` and `scheduler` are the objects of transformers and diffusers. `null_class` is the label that
    means "no class", for guidance.
    """

    card: ModelCard
    path: Path
    denoiser: torch.nn.Module
    scheduler: Any
    text_encoder: torch.nn.Module | None = None
    tokenizer: Any | None = None
    autoencoder: torch.nn.Module | None = None
    null_class: int | None = None


def resolve(name_or_path: str | Path) -> Path:
    """The directory meant: an existing path as it is, or the embedded model of that name; else ModelError."""
    path = Path(name_or_path)
    if str(name_or_path) not in EMBEDDED:
        if path.is_dir():
            return path
        raise ModelError(
            f"{name_or_path} is neither a directory nor an embedded model",
            f"Give the path of a diffusers model directory, or one of: {', '.join(EMBEDDED)}",
        )
    embedded = Path(str(files("burnish"))) / "models" / path.name
    if not (embedded / INDEX).is_file():
        raise ModelError(
            f"the embedded model {path.name} is not part of this installation",
            "Install burnish from a release, or give the path of a model directory",
        )
    return embedded


@contextmanager
def _quiet() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _module(checked: CheckedDirectory, name: str) -> torch.nn.Module:
    library, class_name = checked.classes[name]
    cls = component_class(library, class_name)
    dtype = {"torch_dtype" if library == "diffusers" else "dtype": torch.float32}
    try:
        module, loaded = cls.from_pretrained(
            checked.path / name,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **dtype,
        )
    except _REFUSALS as error:
        raise ModelError(
            f"{name}: {class_name} cannot be made from its config and weights: {error!s:.300}",
            "Take weights and config from one model",
        ) from error
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loaded[kind]:
            first = min(map(str, loaded[kind]))
            raise ModelError(
                f"{name}: the weights have {kind.replace('_', ' ')}, the first is {first:.120}",
                "Take weights and config from one model",
            )
    return module.eval().requires_grad_(False)


def _tokenizer(checked: CheckedDirectory) -> Any:
    library, class_name = checked.classes["tokenizer"]
    try:
        return component_class(library, class_name).from_pretrained(
            checked.path / "tokenizer", local_files_only=True
        )
    except Exception as error:
        # The tokenizers library raises Exception itself, and no subclass, for a file it cannot read.
        if type(error) is not Exception and not isinstance(error, _REFUSALS):
            raise
        raise ModelError(
            f"tokenizer: {class_name} cannot be made from its files: {error!s:.300}",
            "Save the tokenizer again",
        ) from error


def _scheduler(checked: CheckedDirectory) -> Any:
    library, class_name = checked.classes["scheduler"]
    try:
        return component_class(library, class_name).from_config(checked.configs["scheduler"])
    except _REFUSALS as error:
        raise ModelError(
            f"scheduler: {class_name} cannot be made from its config: {error!s:.300}",
            "Take the scheduler's config from the model it belongs to",
        ) from error


def open_model(path: Path | str) -> OpenedModel:
    """Checks the directory, then makes its parts from it alone: no network, no pickle, no code but ours.

    Raises ModelError as check_directory does, and when a part cannot be made or lacks weights.
    """
    checked = check_directory(path)
    card = card_of(checked)
    with _quiet():
        parts = {name: _module(checked, name) for name in checked.tensors}
    tokenizer = _tokenizer(checked) if "tokenizer" in checked.classes else None
    scheduler = _scheduler(checked)
    check_unchanged(checked)
    return OpenedModel(
        card=card,
        path=checked.path,
        denoiser=parts[checked.layout.denoiser],
        scheduler=scheduler,
        text_encoder=parts.get("text_encoder"),
        tokenizer=tokenizer,
        autoencoder=parts.get("vae"),
        null_class=card.classes or None,  # diffusers puts the row of "no class" after those of the classes
    )


def reference_pipeline(path: Path | str) -> Any:
    """The stock diffusers pipeline in float32, for comparison: no safety checker, no progress bar.

    It is made from the parts `open_model` gives, never by a pipeline's own loader. The stock DiTPipeline
    takes class 1000 for "no class", whatever the model's `null_class` is. Raises ModelError as open_model
    does.
    """
    model = open_model(path)
    scheduler = {"scheduler": model.scheduler}
    parts: dict[str, dict[str, Any]] = {
        "unconditional": {"unet": model.denoiser},
        "class-conditional": {"transformer": model.denoiser, "vae": model.autoencoder},
        "stable-diffusion": {
            "unet": model.denoiser,
            "vae": model.autoencoder,
            "text_encoder": model.text_encoder,
            "tokenizer": model.tokenizer,
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
        },
    }
    pipeline = getattr(diffusers, model.card.pipeline)(**parts[model.card.family], **scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
