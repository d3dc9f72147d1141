"""What a model directory is, what it weighs, what its licence says: a ModelCard, read without opening it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from burnish.core.errors import ModelError
from burnish.core.files import digest_text
from burnish.core.model import Component, ModelCard, PredictionType
from burnish.load.directory import CheckedDirectory, check_directory
from burnish.load.fit import autoencoder_factor, denoiser_factor, side
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


def card_of(checked: CheckedDirectory) -> ModelCard:
    """The card of a checked directory; raises ModelError where its sizes are not those of a model."""
    try:
        return _card(checked)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ModelError(
            f"{checked.path.name}: {where}: {first['msg']}",
            "Take the config of the model the weights belong to",
        ) from None


def _card(checked: CheckedDirectory) -> ModelCard:
    """The card of a directory that passed its checks; ModelError for an unknown prediction type."""
    family, configs = checked.layout.family, checked.configs
    denoiser: dict[str, Any] = configs[checked.layout.denoiser]
    latent, channels = side(denoiser), int(denoiser["in_channels"])
    factor = autoencoder_factor(configs["vae"]) if "vae" in configs else 1
    front = _front_matter(checked.path)
    return ModelCard(
        name=checked.path.name,
        family=family,
        pipeline=checked.pipeline,
        components=tuple(_component(checked, name) for name in sorted(checked.classes)),
        prediction_type=_prediction_type(checked),
        scheduler=checked.classes["scheduler"][1],
        latent_shape=(channels, latent, latent),
        image_shape=(3 if "vae" in configs else channels, latent * factor, latent * factor),
        # diffusers lets some UNets have odd sizes on the way down; a static graph with fixed ups does not.
        size_multiple=factor * denoiser_factor(family, denoiser),
        max_tokens=configs["tokenizer"]["model_max_length"] if "tokenizer" in configs else 0,
        classes=denoiser["num_embeds_ada_norm"] if family == "class-conditional" else 0,
        licence=_licence(front),
        source=front.get("source") or front.get("base_model", ""),
        digest=digest_text("".join(f"{sha}  {name}\n" for name, sha in sorted(checked.files.items()))),
    )


def inspect(path: Path | str) -> ModelCard:
    """What a directory is, once checked; nothing in it is run. Raises ModelError as check_directory."""
    return card_of(check_directory(path))
