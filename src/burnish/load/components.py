"""A checked directory as live PyTorch modules, and as the stock pipeline that all else is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import diffusers
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import normalizers
from transformers.utils import logging as transformers_logging

from burnish.core.errors import ModelError
from burnish.core.model import Family, ModelCard
from burnish.load.adapters import Lora, fuse
from burnish.load.card import card_of
from burnish.load.checkpoint import SUFFIX, model_directory
from burnish.load.directory import INDEX, CheckedDirectory, check_directory, check_unchanged
from burnish.load.layouts import LAYOUTS, component_class

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

    Tokenizers and `scheduler` are the objects of transformers and diffusers. `null_class` is the label that
    means "no class", for guidance.
    """

    card: ModelCard
    path: Path
    denoiser: torch.nn.Module
    scheduler: Any
    text_encoder: torch.nn.Module | None = None
    text_encoder_2: torch.nn.Module | None = None
    text_encoder_3: torch.nn.Module | None = None
    tokenizer: Any | None = None
    tokenizer_2: Any | None = None
    tokenizer_3: Any | None = None
    autoencoder: torch.nn.Module | None = None
    null_class: int | None = None


def resolve(name_or_path: str | Path) -> Path:
    """The model meant: an existing path as it is, or the embedded model of that name; else ModelError."""
    path = Path(name_or_path)
    if str(name_or_path) not in EMBEDDED:
        if path.is_dir() or (path.is_file() and path.suffix.lower() == SUFFIX):
            return path
        raise ModelError(
            f"{name_or_path} is neither a directory nor an embedded model",
            "Give the path of a diffusers model directory or of a checkpoint in safetensors, "
            f"or one of: {', '.join(EMBEDDED)}",
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


def _tokenizer(checked: CheckedDirectory, name: str) -> Any:
    library, class_name = checked.classes[name]
    try:
        found = component_class(library, class_name).from_pretrained(
            checked.path / name, local_files_only=True
        )
        if checked.layout.family == "pixart":
            _lower_case(found.backend_tokenizer)
    except Exception as error:  # tokenizers raises Exception itself, no subclass, for an unreadable file
        if type(error) is not Exception and not isinstance(error, _REFUSALS):
            raise
        raise ModelError(
            f"{name}: {class_name} cannot be made from its files: {error!s:.300}",
            "Save the tokenizer again",
        ) from error
    known = checked.configs[name.replace("tokenizer", "text_encoder")]["vocab_size"]
    if len(found) > known or found.eos_token_id is None or found.pad_token_id is None:
        raise ModelError(
            f"{name}: {len(found)} tokens with those that it adds, its text encoder knows {known}, and one "
            f"must end a text ({found.eos_token!r:.40}), one fill it ({found.pad_token!r:.40})",
            "Take tokenizer and text encoder from one model",
        )
    return found


def _lower_case(tokenizer: Any) -> None:
    """PixArt's pipelines strip and lower a text before they tokenize it; its tokenizer does from here on."""
    own = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip(), *own])


def _scheduler(checked: CheckedDirectory) -> Any:
    library, class_name = checked.classes["scheduler"]
    try:
        return component_class(library, class_name).from_config(checked.configs["scheduler"])
    except _REFUSALS as error:
        raise ModelError(
            f"scheduler: {class_name} cannot be made from its config: {error!s:.300}",
            "Take the scheduler's config from the model it belongs to",
        ) from error


def open_model(
    path: Path | str,
    *,
    size: int | None = None,
    lora: Sequence[Lora] = (),
    config: Path | str | None = None,
) -> OpenedModel:
    """Checks the directory, then makes its parts from it alone: no network, no pickle, no code but ours.

    `size` is the side of a picture in pixels, the pipeline's own by default; a transformer's graph has no
    other. `lora` are safetensors files and how strongly each counts, fused into the weights. `config` is the
    directory whose configs and tokenizers a single-file checkpoint needs. Raises ModelError as
    check_directory and model_directory do, when a part cannot be made or lacks weights, and as `fuse`.
    """
    checked = check_directory(model_directory(path, config))
    card_of(checked, size)  # before gigabytes are read
    with _quiet():
        parts = {name: _module(checked, name) for name in checked.tensors}
    card = card_of(checked, size, fuse(checked.pipeline, parts, lora))
    tokenizers = {n: _tokenizer(checked, n) for n in checked.classes if n.startswith("tokenizer")}
    scheduler = _scheduler(checked)
    check_unchanged(checked)
    return OpenedModel(
        card=card,
        path=checked.path,
        denoiser=parts.pop(checked.layout.denoiser),
        scheduler=scheduler,
        autoencoder=parts.pop("vae", None),
        null_class=card.classes or None,  # diffusers puts the row of "no class" after those of the classes
        **parts,  # the text encoders
        **tokenizers,
    )


# What the pipelines are told beside their parts.
_SETTINGS: dict[Family, dict[str, Any]] = {
    "stable-diffusion": {
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    },
    "stable-diffusion-xl": {"add_watermarker": False},
}


def reference_pipeline(
    path: Path | str, *, lora: Sequence[Lora] = (), config: Path | str | None = None
) -> Any:
    """The stock diffusers pipeline in float32, for comparison: no safety checker, no progress bar.

    It is made from the parts `open_model` gives, never by a pipeline's own loader. The stock DiTPipeline
    takes class 1000 for "no class", whatever the model's `null_class` is. Raises ModelError as open_model
    does.
    """
    model = open_model(path, lora=lora, config=config)
    family, layout = model.card.family, LAYOUTS[model.card.pipeline]
    parts = {
        name: getattr(model, {layout.denoiser: "denoiser", "vae": "autoencoder"}.get(name, name))
        for name, part in layout.parts.items()
        if part.opened
    }
    settings = _SETTINGS.get(family, {})
    if family == "stable-diffusion-xl":
        settings = {**settings, "force_zeros_for_empty_prompt": model.card.empty_negative == "zeros"}
    pipeline = getattr(diffusers, model.card.pipeline)(**parts, **settings)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
