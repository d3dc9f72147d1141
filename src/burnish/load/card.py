"""What a model directory is, what it weighs, what its licence says: a ModelCard, read without opening it."""

from __future__ import annotations

from collections import Counter
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import diffusers
from pydantic import ValidationError

from burnish.core.errors import ModelError
from burnish.core.files import digest_text
from burnish.core.model import Adapter, Component, Guidance, ModelCard, PredictionType
from burnish.load.checkpoint import model_directory
from burnish.load.directory import CheckedDirectory, check_directory
from burnish.load.sizes import autoencoder_factor, denoiser_factor, latent_channels, side
from burnish.load.weights import DTYPES, Tensor, read_header

MAX_FRONT_MATTER = 64 << 10
_DTYPE_NAMES = {"F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16"}


def front_matter(text: str) -> dict[str, str]:
    """The top-level `key: value` lines between the `---` lines that open a model card; lists joined by ", ".

    Not YAML: nothing nested, no anchors, no types, so there is nothing in it to go off.
    """
    lines = text[:MAX_FRONT_MATTER].splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in (line.strip() for line in lines[1:]):
        return {}
    end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == "---")
    found: dict[str, str] = {}
    key = ""
    for line in lines[1:end]:
        item = line.strip()
        if item.startswith("- ") and key:
            found[key] = ", ".join(filter(None, (found[key], _plain(item[2:]))))
        elif line[:1].strip() and ":" in line and not item.startswith("#"):
            key, _, value = (part.strip() for part in line.partition(":"))
            found[key] = (
                ", ".join(map(_plain, value.strip("[]").split(","))) if value[:1] == "[" else _plain(value)
            )
    return found


def _plain(value: str) -> str:
    return value.strip().strip("\"'")


def _front_matter(root: Path) -> dict[str, str]:
    readme = root / "README.md"
    if not readme.is_file():
        return {}
    with readme.open("rb") as file:
        return front_matter(file.read(MAX_FRONT_MATTER).decode("utf-8", errors="replace"))


def _licence(front: dict[str, str]) -> str:
    licence = front.get("license") or "unknown"
    # Hugging Face writes "other" where the licence has a name it does not list.
    return front.get("license_name") or licence if licence == "other" else licence


def _dtype(tensors: dict[str, Tensor]) -> str:
    sizes: Counter[str] = Counter()
    for tensor in tensors.values():
        if DTYPES[tensor.dtype][1]:
            sizes[tensor.dtype] += tensor.end - tensor.begin
    return "+".join(_DTYPE_NAMES.get(name, name.lower()) for name, _ in sizes.most_common())


def _weights(checked: CheckedDirectory, name: str) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    if name in checked.weights:
        return checked.weights[name], checked.tensors[name]
    # Parts that are never opened: whatever safetensors stand there.
    files = tuple(f for f in checked.files if f.startswith(f"{name}/") and f.endswith(".safetensors"))
    return files, {k: t for f in files for k, t in read_header(checked.path / f, f).items()}


def _component(checked: CheckedDirectory, name: str) -> Component:
    library, class_name = checked.classes[name]
    files, tensors = _weights(checked, name)
    return Component(
        name=name,
        library=library,
        class_name=class_name,
        parameters=sum(t.size for t in tensors.values() if DTYPES[t.dtype][1]),
        size_bytes=sum((checked.path / f).stat().st_size for f in files),
        dtype=_dtype(tensors),
        digest=_digest_of({f: checked.files[f] for f in files}),
    )


def _digest_of(files: dict[str, str]) -> str:
    if len(files) < 2:
        return next(iter(files.values()), "")
    return digest_text("".join(f"{sha}  {name}\n" for name, sha in sorted(files.items())))


def _prediction_type(checked: CheckedDirectory) -> PredictionType:
    scheduler = checked.classes["scheduler"][1]
    # Flow-matching schedulers predict one thing only and so have no name for it.
    implied = "flow_prediction" if scheduler.startswith("FlowMatch") else None
    said = checked.configs["scheduler"].get("prediction_type", implied)
    for known in get_args(PredictionType):
        if said == known:
            return known
    raise ModelError(
        f"scheduler: prediction_type of {scheduler} is {said!r:.40}",
        f"Use a scheduler that predicts one of {', '.join(get_args(PredictionType))}",
    )


def card_of(
    checked: CheckedDirectory, size: int | None = None, adapters: tuple[Adapter, ...] = ()
) -> ModelCard:
    """The card of a checked directory; raises ModelError where its sizes are not those of a model.

    `size` is the side of a picture in pixels, the pipeline's own by default.
    """
    try:
        return _card(checked, size, adapters)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ModelError(
            f"{checked.path.name}: {where}: {first['msg']}",
            "Take the config of the model the weights belong to",
        ) from None


def _latent_side(checked: CheckedDirectory, size: int | None, factor: int, step: int) -> int:
    """The side of the latents; ModelError where there are none for pictures of that size."""
    layout = checked.layout
    denoiser = checked.configs[layout.denoiser]
    if size is None:
        return side(denoiser, layout)
    if size < step or size % step:
        raise ModelError(f"a size of {size} pixels is not divisible by {step}", "Ask for another size")
    most = denoiser.get("pos_embed_max_size")
    if most and size // step > most:
        raise ModelError(
            f"a size of {size} pixels is more than the {most * step} that the denoiser has positions for",
            "Ask for a smaller size",
        )
    return size // factor


def _tokens(checked: CheckedDirectory, name: str) -> int:
    if name not in checked.configs:
        return 0
    return checked.layout.parts[name].max_tokens or int(checked.configs[name]["model_max_length"])


def _guidance(checked: CheckedDirectory) -> tuple[Guidance, float, int]:
    """How the pipeline guides, and its own scale and steps: the defaults of its __call__."""
    family = checked.layout.family
    call = signature(getattr(diffusers, checked.pipeline).__call__).parameters
    steps = int(call["num_inference_steps"].default)
    scale = float(call["guidance_scale"].default) if "guidance_scale" in call else 1.0
    embedded = checked.configs[checked.layout.denoiser].get("guidance_embeds")
    if family == "unconditional" or (family == "flux" and not embedded):
        return "none", 1.0, steps
    return ("embedded" if family == "flux" else "classifier-free"), scale, steps


def _zeros(checked: CheckedDirectory) -> bool:
    forced = checked.settings.get("force_zeros_for_empty_prompt", True)
    return checked.layout.family == "stable-diffusion-xl" and bool(forced)


def _digest(checked: CheckedDirectory, size: int | None, adapters: tuple[Adapter, ...]) -> str:
    lines = [f"{sha}  {name}\n" for name, sha in sorted(checked.files.items())]
    lines += [f"{adapter.digest}  adapter {adapter.weight!r}\n" for adapter in adapters]
    lines += [f"size {size}\n"] if size is not None else []
    return digest_text("".join(lines))


def _card(checked: CheckedDirectory, size: int | None, adapters: tuple[Adapter, ...]) -> ModelCard:
    """The card of a directory that passed its checks; ModelError for an unknown prediction type."""
    family, configs = checked.layout.family, checked.configs
    denoiser: dict[str, Any] = configs[checked.layout.denoiser]
    vae = configs.get("vae", {})
    factor = autoencoder_factor(vae) if vae else 1
    # diffusers lets some UNets have odd sizes on the way down; a static graph with fixed ups does not.
    step = factor * denoiser_factor(family, denoiser)
    latent, channels = _latent_side(checked, size, factor, step), latent_channels(family, denoiser)
    guidance, scale, steps = _guidance(checked)
    front = _front_matter(checked.path)
    return ModelCard(
        name=checked.path.name,
        family=family,
        pipeline=checked.pipeline,
        components=tuple(_component(checked, name) for name in sorted(checked.classes)),
        prediction_type=_prediction_type(checked),
        scheduler=checked.classes["scheduler"][1],
        latent_shape=(channels, latent, latent),
        image_shape=(3 if vae else channels, latent * factor, latent * factor),
        size_multiple=step,
        max_tokens=_tokens(checked, "tokenizer"),
        max_tokens_2=_tokens(checked, "tokenizer_2"),
        max_tokens_3=_tokens(checked, "tokenizer_3"),
        classes=denoiser["num_embeds_ada_norm"] if family == "class-conditional" else 0,
        guidance=guidance,
        guidance_scale=scale,
        num_inference_steps=steps,
        empty_negative="zeros" if _zeros(checked) else "encoded",
        scaling_factor=float(vae.get("scaling_factor") or 1.0),
        shift_factor=float(vae.get("shift_factor") or 0.0),
        adapters=adapters,
        licence=_licence(front),
        source=front.get("source") or front.get("base_model", ""),
        digest=_digest(checked, size, adapters),
    )


def inspect(path: Path | str, *, config: Path | str | None = None) -> ModelCard:
    """What a directory or a checkpoint is, once checked; nothing in it is run. ModelError as `open_model`."""
    return card_of(check_directory(model_directory(path, config)))
