"""A single-file checkpoint in the layout of the original code, as a diffusers directory; safetensors alone.

Such a file holds weights and nothing else. Configs, tokenizer and scheduler come from a diffusers directory
of the same kind of model, whose own weights are not needed; the names are turned by diffusers' own tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.core.errors import ModelError
from burnish.core.files import (
    cache_directory,
    digest,
    digest_text,
    directory_aside,
    make_room,
    source_digest,
    write_bytes,
    write_text,
)
from burnish.load.directory import INDEX, Skeleton, check_skeleton
from burnish.load.weights import TABLE_ERRORS, Stamp, changed, library_errors, read_header, scan, stamp

Weights = dict[str, Tensor]
Convert = Callable[[Weights, dict[str, Any]], Weights]
SUFFIX = ".safetensors"
MOST_BYTES = 64 << 30  # of converted checkpoints, kept between runs
COPIED = (".json", ".txt")
V_PREDICTION = "v_pred"  # the name of an empty tensor that says so


def _open_clip(prefix: str) -> Convert:
    def convert(checkpoint: Weights, config: dict[str, Any]) -> Weights:
        # The tables want a model for its width alone.
        encoder = SimpleNamespace(config=SimpleNamespace(hidden_size=config["hidden_size"]))
        return dict(convert_open_clip_checkpoint(encoder, checkpoint, prefix=prefix))

    return convert


def _clip(checkpoint: Weights, config: dict[str, Any]) -> Weights:
    return dict(convert_ldm_clip_checkpoint(checkpoint))


_UNET: dict[str, Convert] = {"unet": convert_ldm_unet_checkpoint, "vae": convert_ldm_vae_checkpoint}
# The kinds of checkpoint: the beginning of a name that tells it, its pipeline, and how its parts are named.
_KINDS: tuple[tuple[str, str, str, dict[str, Convert]], ...] = (
    (
        "conditioner.embedders.1.model.",
        "Stable Diffusion XL",
        "StableDiffusionXLPipeline",
        {**_UNET, "text_encoder": _clip, "text_encoder_2": _open_clip("conditioner.embedders.1.model.")},
    ),
    (
        "cond_stage_model.model.",
        "Stable Diffusion 2",
        "StableDiffusionPipeline",
        {**_UNET, "text_encoder": _open_clip("cond_stage_model.model.")},
    ),
    (
        "cond_stage_model.transformer.",
        "Stable Diffusion 1",
        "StableDiffusionPipeline",
        {**_UNET, "text_encoder": _clip},
    ),
)


def _kind(names: Mapping[str, Any], where: str) -> tuple[str, str, dict[str, Convert]]:
    for start, title, pipeline, parts in _KINDS:
        if any(name.startswith(start) for name in names):
            return title, pipeline, parts
    raise ModelError(
        f"{where} is no whole checkpoint of Stable Diffusion 1, 2 or XL",
        "Give a checkpoint with its text encoder and autoencoder, or a diffusers model directory",
    )


def model_directory(path: Path | str, config: Path | str | None = None) -> Path:
    """The directory to open: `path` itself, or, of a checkpoint, one made of it and `config` and kept.

    `config` is a diffusers directory of the same kind of model; a directory of the checkpoint's own name
    beside it is taken where none is given. Raises ModelError for a file that is damaged, is not safetensors,
    is another kind of model than `config`, or lacks weights.
    """
    file = Path(path)
    if not file.is_file() or file.name == INDEX:
        return file
    where = file.name
    if file.suffix.lower() != SUFFIX:
        raise ModelError(
            f"{where} is neither a model directory nor a safetensors file, and opening one can run code",
            "Convert it to safetensors",
        )
    try:
        before = stamp(file)
        header = read_header(file, where)
        title, pipeline, parts = _kind(header, where)
        skeleton = _skeleton(file, config, title)
        sha = scan(file, header, where)
        found = check_skeleton(skeleton)
        if found.pipeline != pipeline:
            raise ModelError(f"{where} is {title}, {skeleton} is a {found.pipeline}", _needed(title))
        said = found.configs["scheduler"].get("prediction_type", "epsilon")
        if V_PREDICTION in header and said != "v_prediction":
            raise ModelError(
                f"{where} predicts v, the scheduler in {skeleton} says {said!r:.40}",
                'Set "prediction_type": "v_prediction" there',
            )
        root = cache_directory() / "checkpoints"
        copied = _copied(skeleton, found.configs)
        target = root / _key(sha, skeleton, copied) / file.stem
        if not (target / INDEX).is_file():
            _write(file, before, found, copied, parts, target)
        target.parent.touch()
        make_room(root, MOST_BYTES, (target.parent,))
        return target
    except OSError as error:
        raise ModelError(f"{error.filename or file}: {error.strerror}", "Check rights and room") from None


def _key(sha: str, skeleton: Path, copied: Sequence[str]) -> str:
    """Names what is made: of which checkpoint and skeleton, and by which code."""
    code = f"diffusers {diffusers.__version__}, {source_digest('load/*.py')}"
    names = "".join(f"{name} {digest(skeleton / name)}\n" for name in (INDEX, *copied))
    return digest_text(f"{sha}\n{code}\n{names}")[:32]


def _needed(title: str) -> str:
    return f"Give config=DIR, a diffusers directory of {title}; its weights are not needed"


def _skeleton(file: Path, config: Path | str | None, title: str) -> Path:
    found = file.with_suffix("") if config is None else Path(config)
    if not (found / INDEX).is_file():
        lacking = "" if config is None else f", and {found} has no {INDEX}"
        raise ModelError(f"{file.name} is {title} without configs and a tokenizer{lacking}", _needed(title))
    return found.resolve()


def _copied(skeleton: Path, parts: Iterable[str]) -> list[str]:
    """The files of a skeleton that its parts need: configs and tokenizers, by relative name."""
    paths = [path for name in parts for path in sorted((skeleton / name).iterdir())]
    wanted = [p for p in paths if p.suffix in COPIED and not p.name.endswith(".index.json")]
    return [path.relative_to(skeleton).as_posix() for path in wanted]


def _write(
    file: Path,
    before: Stamp,
    skeleton: Skeleton,
    copied: Sequence[str],
    parts: Mapping[str, Convert],
    target: Path,
) -> None:
    with library_errors(file, file.name):
        checkpoint: Weights = load_file(file)
    with directory_aside(target) as aside:
        for name in copied:
            write_bytes(aside / name, (skeleton.path / name).read_bytes())
        for name, convert in parts.items():
            weights = _converted(convert, checkpoint, skeleton.configs[name], f"{file.name}: {name}")
            stem = skeleton.layout.parts[name].weights
            made = aside / name / f"{stem}{SUFFIX}"
            with library_errors(made, f"{name}/{made.name}"):
                save_file(weights, made, metadata={"format": "pt"})
        index = json.loads((skeleton.path / INDEX).read_text(encoding="utf-8"))
        kept = {k: v for k, v in index.items() if not isinstance(v, list) or k in skeleton.configs}
        write_text(aside / INDEX, json.dumps(kept, indent=2))
        if stamp(file) != before:  # at the end, as the weights stay in the file until they are used
            raise changed(file)


def _converted(convert: Convert, checkpoint: Weights, config: dict[str, Any], where: str) -> Weights:
    try:
        found = convert(dict(checkpoint), config)
    except TABLE_ERRORS as error:
        raise ModelError(
            f"{where} cannot be made of its weights: {error!s:.200}", "Take another checkpoint"
        ) from error
    return {name: tensor.contiguous() for name, tensor in found.items() if tensor is not None}
