"""The pipelines that are opened: their parts, and the only classes each part may be."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, replace
from typing import Any

import diffusers
import transformers
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from burnish.core.errors import ModelError
from burnish.core.model import Family

LIBRARIES = {"diffusers": diffusers, "transformers": transformers}


@dataclass(frozen=True)
class Part:
    """What may stand under one name of model_index.json. `weights` is a file stem, "" for none."""

    library: str
    classes: tuple[str, ...]  # empty: any scheduler of diffusers
    config: str = "config.json"
    weights: str = ""
    opened: bool = True  # False: named on the card, never instantiated
    optional: bool = False  # may be absent though it is opened
    max_tokens: int = 0  # what the pipeline asks of a tokenizer; 0: as many as its encoder reads


@dataclass(frozen=True)
class Layout:
    """A pipeline class: its family, which part denoises, and its parts; those not opened may be absent.

    `sample_size` is the side of the latents where the denoiser's config has none; `sizes`, whether a PixArt
    pipeline tells its denoiser the size of a picture, as it does at sample_size 128.
    """

    family: Family
    denoiser: str
    parts: dict[str, Part]
    sample_size: int = 0
    sizes: bool = False


_WEIGHTS = "diffusion_pytorch_model"
_SCHEDULER = Part("diffusers", (), "scheduler_config.json")
_AUTOENCODER = Part("diffusers", ("AutoencoderKL",), weights=_WEIGHTS)
_UNET = Part("diffusers", ("UNet2DConditionModel",), weights=_WEIGHTS)
_CLIP = Part("transformers", ("CLIPTextModel",), weights="model")
_CLIP_PROJECTED = Part("transformers", ("CLIPTextModelWithProjection",), weights="model")
_T5 = Part("transformers", ("T5EncoderModel",), weights="model")
_CLIP_TOKENIZER = Part("transformers", ("CLIPTokenizer", "CLIPTokenizerFast"), "tokenizer_config.json")
_T5_TOKENIZER = Part("transformers", ("T5Tokenizer", "T5TokenizerFast"), "tokenizer_config.json")
_FEATURES = Part(
    "transformers",
    ("CLIPImageProcessor", "CLIPFeatureExtractor", "CLIPImageProcessorPil"),
    "preprocessor_config.json",
    opened=False,
)
_PIXELS = Layout(
    "unconditional",
    "unet",
    {"unet": Part("diffusers", ("UNet2DModel",), weights=_WEIGHTS), "scheduler": _SCHEDULER},
)


def _transformer(*classes: str) -> Part:
    return Part("diffusers", classes, weights=_WEIGHTS)


def _pixart(max_tokens: int, *, sizes: bool = False) -> Layout:
    return Layout(
        "pixart",
        "transformer",
        {
            # As with DiT, older checkpoints carry the older name.
            "transformer": _transformer("PixArtTransformer2DModel", "Transformer2DModel"),
            "vae": _AUTOENCODER,
            "text_encoder": _T5,
            "tokenizer": replace(_T5_TOKENIZER, max_tokens=max_tokens),
            "scheduler": _SCHEDULER,
        },
        sizes=sizes,
    )


LAYOUTS: dict[str, Layout] = {
    "StableDiffusionPipeline": Layout(
        "stable-diffusion",
        "unet",
        {
            "unet": _UNET,
            "vae": _AUTOENCODER,
            "text_encoder": _CLIP,
            "tokenizer": _CLIP_TOKENIZER,
            "scheduler": _SCHEDULER,
            # "stable_diffusion" is how diffusers names its own module; the class is not looked up.
            "safety_checker": Part(
                "stable_diffusion", ("StableDiffusionSafetyChecker",), weights="model", opened=False
            ),
            "feature_extractor": _FEATURES,
        },
    ),
    "StableDiffusionXLPipeline": Layout(
        "stable-diffusion-xl",
        "unet",
        {
            "unet": _UNET,
            "vae": _AUTOENCODER,
            "text_encoder": _CLIP,
            "tokenizer": _CLIP_TOKENIZER,
            "text_encoder_2": _CLIP_PROJECTED,
            "tokenizer_2": _CLIP_TOKENIZER,
            "scheduler": _SCHEDULER,
            "feature_extractor": _FEATURES,
        },
    ),
    "StableDiffusion3Pipeline": Layout(
        "stable-diffusion-3",
        "transformer",
        {
            "transformer": _transformer("SD3Transformer2DModel"),
            "vae": _AUTOENCODER,
            "text_encoder": _CLIP_PROJECTED,
            "tokenizer": _CLIP_TOKENIZER,
            "text_encoder_2": _CLIP_PROJECTED,
            "tokenizer_2": _CLIP_TOKENIZER,
            "text_encoder_3": replace(_T5, optional=True),
            "tokenizer_3": replace(_T5_TOKENIZER, optional=True, max_tokens=256),
            "scheduler": _SCHEDULER,
        },
    ),
    "FluxPipeline": Layout(
        "flux",
        "transformer",
        {
            "transformer": _transformer("FluxTransformer2DModel"),
            "vae": _AUTOENCODER,
            "text_encoder": _CLIP,
            "tokenizer": _CLIP_TOKENIZER,
            "text_encoder_2": _T5,
            "tokenizer_2": replace(_T5_TOKENIZER, max_tokens=512),
            "scheduler": _SCHEDULER,
        },
        sample_size=128,
    ),
    "PixArtAlphaPipeline": _pixart(120, sizes=True),
    "PixArtSigmaPipeline": _pixart(300),
    "DDPMPipeline": _PIXELS,
    "DDIMPipeline": _PIXELS,
    "DiTPipeline": Layout(
        "class-conditional",
        "transformer",
        {
            # Published DiT checkpoints carry the older name; diffusers maps it to the newer class.
            "transformer": _transformer("DiTTransformer2DModel", "Transformer2DModel"),
            "vae": _AUTOENCODER,
            "scheduler": _SCHEDULER,
        },
    ),
}


def component_class(library: str, class_name: str) -> Any:
    """The class itself; ModelError where the installed library has none of that name, or cannot load it."""
    found = getattr(LIBRARIES[library], class_name, None)
    if not inspect.isclass(found):
        raise ModelError(
            f"{library} {LIBRARIES[library].__version__} has no class {class_name}",
            f"Install the version of {library} the model was saved with",
        )
    return found


def _is_scheduler(class_name: str) -> bool:
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*Scheduler", class_name):
        return False
    return issubclass(component_class("diffusers", class_name), SchedulerMixin)


def _check_entry(name: str, entry: object, part: Part) -> tuple[str, str]:
    match entry:
        case [str() as library, str() as class_name]:
            pass
        case _:
            raise ModelError(
                f"model_index.json: {name} must be a pair [library, class], found {entry!r:.80}",
                "Save the whole pipeline again",
            )
    if library != part.library:
        allowed = "only diffusers and transformers are trusted"
        raise ModelError(
            f"model_index.json: {name} comes from {library!r:.80}, {allowed}",
            f"Save the model with {name} as {part.library}.{(part.classes or ('DDIMScheduler',))[0]}",
        )
    if class_name not in part.classes and (part.classes or not _is_scheduler(class_name)):
        raise ModelError(
            f"model_index.json: {name} is {library}.{class_name:.80}, which is not opened as {name}",
            f"Use one of: {', '.join(part.classes) or 'the schedulers of diffusers'}",
        )
    if part.opened:
        component_class(library, class_name)
    return library, class_name


def read_layout(index: dict[str, Any]) -> tuple[Layout, dict[str, tuple[str, str]]]:
    """The layout that model_index.json names, and (library, class) of every part that is there.

    Raises ModelError for a pipeline that is not supported, a part that is missing, unknown or not allowed.
    """
    pipeline = index.get("_class_name")
    layout = LAYOUTS.get(pipeline) if isinstance(pipeline, str) else None
    if layout is None:
        raise ModelError(
            f"model_index.json: _class_name is {pipeline!r:.80}, which is not supported",
            f"Supported pipelines: {', '.join(LAYOUTS)}",
        )
    entries = {k: v for k, v in index.items() if isinstance(v, list) and v != [None, None]}
    classes: dict[str, tuple[str, str]] = {}
    for name, entry in entries.items():
        if name not in layout.parts:
            raise ModelError(
                f"model_index.json: {name} is not a part of {pipeline}: {entry!r:.80}",
                f"Remove it; the parts are {', '.join(layout.parts)}",
            )
        classes[name] = _check_entry(name, entry, layout.parts[name])
    needed = [name for name, part in layout.parts.items() if part.opened and not part.optional]
    missing = [name for name in needed if name not in classes]
    if missing:
        raise ModelError(
            f"model_index.json: {pipeline} lacks {', '.join(missing)}", "Save the whole pipeline again"
        )
    return layout, classes
