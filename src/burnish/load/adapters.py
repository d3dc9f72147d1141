"""LoRA adapters, read from safetensors alone and fused into the weights: W + weight * scale * B A.

Hu et al., LoRA, arXiv 2106.09685. Names are those of diffusers and peft, or of kohya's scripts, which
diffusers' own tables turn into the former; nothing of peft is needed, and nothing of the adapter is run.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from diffusers.utils.state_dict_utils import StateDictType
from safetensors.torch import load_file
from torch import Tensor, nn

from burnish.core.errors import ModelError
from burnish.core.model import Adapter
from burnish.load.weights import TABLE_ERRORS, changed, library_errors, read_header_and_metadata, scan, stamp

Lora = tuple[Path | str, float]  # a file, and how strongly it counts
Weights = dict[str, Tensor]
MOST_WEIGHT = 100.0
MOST_ALPHA = 1e6  # what trainers set is of the order of the rank
METADATA = "lora_adapter_metadata"  # where diffusers keeps peft's settings, as JSON
MOST_METADATA = 1 << 20  # characters
# Kinds of adapter that are no sum W + B A, and pieces of a LoRA that are not in it.
_OTHER = re.compile(
    r"dora_scale|lora_magnitude_vector|\.hada_|\.lokr_|\.oft_|\.diff(_b)?$|lora_mid|bias$|norm_(q|k|added_)"
)
_PAIR = re.compile(r"^(?P<module>.+)\.lora_(?P<half>[AB])\.weight$")
_DOWN = (".lora_down.weight", ".lora_A.weight", ".lora.down.weight")
_TEXTS = ("text_encoder", "text_encoder_2")
_REMEDY = "Use a LoRA that was trained for this kind of model"


def read_adapter(path: Path | str, weight: float) -> tuple[Adapter, Weights, dict[str, Any]]:
    """An adapter file, what is in it (float32), and its settings; ModelError for anything but safetensors."""
    file = Path(path)
    where = file.name
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not abs(weight) <= MOST_WEIGHT:
        raise ModelError(f"the weight of {where} is {weight!r:.40}", f"Give a number within {MOST_WEIGHT:g}")
    if file.suffix.lower() != ".safetensors" or not file.is_file():
        raise ModelError(
            f"{file} is not a safetensors file",
            "Give the path of a LoRA in safetensors; opening any other kind of weights can run code",
        )
    try:
        before = stamp(file)
        header, metadata = read_header_and_metadata(file, where)
        sha = scan(file, header, where)
        with library_errors(file, where):
            found = load_file(file)
        # Copied before the file is looked at again: what is loaded stays in the file until it is used.
        weights = {name: tensor.to(torch.float32, copy=True) for name, tensor in found.items()}
        after = stamp(file)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}", "Check its rights") from None
    if before != after:
        raise changed(file)
    return Adapter(name=where, weight=float(weight), digest=sha), weights, _settings(metadata, where)


def _settings(metadata: Mapping[str, str], where: str) -> dict[str, Any]:
    text = metadata.get(METADATA, "{}")
    found: Any = None
    with suppress(ValueError, RecursionError):
        found = json.loads(text) if len(text) <= MOST_METADATA else None
    if not isinstance(found, dict):
        raise ModelError(f"{where}: its {METADATA} is not readable JSON", "Save the adapter again")
    return found


def fuse(pipeline: str, parts: Mapping[str, nn.Module], loras: Sequence[Lora]) -> tuple[Adapter, ...]:
    """Adds each LoRA to the weights of `parts`, named as in model_index.json, in place; says which they were.

    Raises ModelError, naming file and key: for a pipeline that takes none, a file that is no LoRA, a target
    that the model does not have, a shape that does not fit.
    """
    return tuple(_fuse_one(pipeline, parts, path, weight) for path, weight in loras)


def _fuse_one(pipeline: str, parts: Mapping[str, nn.Module], path: Path | str, weight: float) -> Adapter:
    adapter, weights, settings = read_adapter(path, weight)
    _check_kind(weights, adapter.name)
    scaled = _scaled(weights, adapter.name)
    pairs = _pairs(_renamed(pipeline, parts, scaled, adapter.name), adapter.name)
    if lost := _left_out(pipeline, parts, scaled, adapter.name):
        raise ModelError(f"{adapter.name}: {lost:.120} has no place in this model", _REMEDY)
    for (part, module), halves in pairs.items():
        target = _target(parts, part, module, adapter.name)
        scale = _scale(settings, part, module, halves["A"].shape[0], adapter.name)
        _add(target, halves, weight * scale, f"{adapter.name}: {part}.{module}")
    return adapter


def _check_kind(weights: Weights, where: str) -> None:
    for name, tensor in weights.items():
        if other := _OTHER.search(name):
            raise ModelError(f"{where}: {name:.120} is not a part of a plain LoRA ({other[0]})", _REMEDY)
        if not name.endswith(".alpha") and (tensor.ndim < 2 or tensor.numel() == 0):
            raise ModelError(
                f"{where}: {name:.120} has shape {[*tensor.shape]}, which is no matrix of rank 1 or more",
                _REMEDY,
            )


def _left_out(pipeline: str, parts: Mapping[str, nn.Module], weights: Weights, where: str) -> str:
    """The first name that diffusers leaves out without a word, or "".

    One matrix may become several, so that counting does not tell: each is filled with its own number, and
    the number is looked for after renaming. A matrix of zeros adds nothing, and may be left out.
    """
    numbered = {
        name: torch.tensor(float(k)).expand(tensor.shape) for k, (name, tensor) in enumerate(weights.items())
    }
    kept = {float(t.flatten()[0]) for t in _renamed(pipeline, parts, numbered, where).values()}
    lost = (name for k, (name, tensor) in enumerate(weights.items()) if k not in kept and tensor.any())
    return next(lost, "")


def _scaled(weights: Weights, where: str) -> Weights:
    """The weights with each module's alpha / rank multiplied into one half, and no alpha left."""
    found = dict(weights)
    for name in [n for n in found if n.endswith(".alpha")]:
        alpha, module = found.pop(name), name.removesuffix(".alpha")
        down = next((module + end for end in _DOWN if module + end in found), "")
        if not down or alpha.numel() != 1:
            raise ModelError(f"{where}: {name:.120} belongs to nothing, or is not one number", _REMEDY)
        found[down] = found[down] * (float(alpha) / found[down].shape[0])
    return found


def _renamed(pipeline: str, parts: Mapping[str, nn.Module], weights: Weights, where: str) -> Weights:
    """The weights under peft's names, each beginning with the part that it belongs to."""
    loader: Any = getattr(diffusers, pipeline)
    if not hasattr(loader, "lora_state_dict"):
        raise ModelError(f"{pipeline} takes no LoRA", "Fuse it with the scripts that it was trained with")
    # Only SDXL's names need the UNet's config.
    config = {"unet_config": parts["unet"].config} if pipeline == "StableDiffusionXLPipeline" else {}
    try:
        found = loader.lora_state_dict(dict(weights), **config)
        renamed: Weights = found[0] if isinstance(found, tuple) else found
        grouped: dict[str, Weights] = defaultdict(dict)
        for name, tensor in renamed.items():
            part, _, rest = name.partition(".")
            grouped[part][rest] = tensor
        return {
            f"{part}.{name}": tensor
            for part, held in grouped.items()
            for name, tensor in _as_peft(part, held).items()
        }
    except TABLE_ERRORS as error:
        raise ModelError(f"{where}: its names are not those of a LoRA: {error!s:.200}", _REMEDY) from error


def _as_peft(part: str, held: Weights) -> Weights:
    if any(".lora_A." in name for name in held):
        return held
    if part not in _TEXTS:
        return dict(convert_unet_state_dict_to_peft(held))
    for kind in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):  # one file may have layers of both
        held = dict(convert_state_dict_to_peft(held, original_type=kind))
    return held


def _pairs(weights: Weights, where: str) -> dict[tuple[str, str], Weights]:
    found: dict[tuple[str, str], Weights] = defaultdict(dict)
    for name, tensor in weights.items():
        match = _PAIR.match(name)
        if match is None:
            raise ModelError(f"{where}: {name:.120} is not one half of a LoRA", _REMEDY)
        part, _, module = match["module"].partition(".")
        found[part, module][match["half"]] = tensor
    for (part, module), halves in found.items():
        if halves.keys() != {"A", "B"}:
            raise ModelError(f"{where}: {part}.{module:.120} has one half of two", "Download it again")
    if not found:
        raise ModelError(f"{where} is empty", "Download it again")
    return found


def _target(parts: Mapping[str, nn.Module], part: str, module: str, where: str) -> nn.Module:
    """The layer meant; newer CLIPs have no `text_model` around their layers."""
    for name in (module, module.removeprefix("text_model.")):
        with suppress(AttributeError, KeyError):
            target = parts[part].get_submodule(name)
            if isinstance(target, (nn.Linear, nn.Conv2d)):
                return target
    raise ModelError(f"{where}: {part}.{module:.120} is no layer of this model that a LoRA fits", _REMEDY)


def _scale(settings: Mapping[str, Any], part: str, module: str, rank: int, where: str) -> float:
    """What peft's settings divide by the rank; 1 where they say nothing, and alpha is in the weights."""
    alpha: Any = settings.get(f"{part}.lora_alpha")
    pattern = settings.get(f"{part}.alpha_pattern")
    if isinstance(pattern, dict):
        ends = [name for name in pattern if module == name or module.endswith(f".{name}")]
        alpha = pattern[ends[0]] if ends else alpha
    if settings.get(f"{part}.use_dora"):
        raise ModelError(f"{where}: use_dora is set, which is not a plain LoRA", _REMEDY)
    if alpha is None:
        return 1.0
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not abs(alpha) <= MOST_ALPHA:
        raise ModelError(f"{where}: lora_alpha of {part} is {alpha!r:.40}", "Save the adapter again")
    return float(alpha) / (math.sqrt(rank) if settings.get(f"{part}.use_rslora") else rank)


@torch.no_grad()
def _add(target: nn.Module, halves: Weights, factor: float, where: str) -> None:
    down, up = halves["A"], halves["B"]
    layer: Any = target
    weight: Tensor = layer.weight
    fits = (
        down.ndim == up.ndim == weight.ndim
        and (up.shape[0], *down.shape[1:]) == tuple(weight.shape)
        and up.shape[1:] == (down.shape[0], *[1] * (weight.ndim - 2))
    )
    if not fits:
        raise ModelError(
            f"{where:.160} has shapes {[*up.shape]} and {[*down.shape]}, its layer has {[*weight.shape]}",
            _REMEDY,
        )
    weight += factor * (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    if not weight.isfinite().all():
        raise ModelError(f"{where:.160} makes numbers that are not finite", _REMEDY)
