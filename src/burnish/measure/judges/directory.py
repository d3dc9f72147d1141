"""Opens encoders and judges: a directory is hostile until checked, and one way of checking holds for all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.core.errors import ModelError
from burnish.core.files import digest, digest_text
from burnish.measure.judges.encoder import Encoder, Judge
from burnish.measure.judges.families import FAMILIES, Family, Text
from burnish.measure.judges.preprocessing import REMEDY, Preprocessing, read_preprocessing

if TYPE_CHECKING:  # transformers and burnish.load take seconds to import: only who opens a model pays
    from burnish.load.directory import Stamp
    from burnish.load.weights import Tensor

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ONE_MODEL = "Take weights and config from one model"
LAYERS = re.compile(r"encoder\.layers?\.\d")
Files = dict[str, dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Directory:
    """A directory whose names, times and JSON files have been looked at."""

    root: Path
    seen: tuple[Stamp, ...]
    files: Files
    family: Family
    config: Any


def open_judge(path: Path) -> Judge:
    """Opens a directory of a CLIPModel or a SiglipModel with its tokenizer and preprocessor_config.json.

    Local files alone, no code from the directory, no pickles, on the CPU in float32. Raises ModelError that
    names the file or the key and what mends it: for a model of another family; for code, pickles, links that
    leave, and keys that load such; for files missing or damaged; for weights, tokenizer, preprocessing and
    config that do not fit together.
    """
    with _named(path, "judge"):
        found = _look(path, {name: f for name, f in FAMILIES.items() if f.text is not None})
        text = found.family.text
        assert text is not None  # noqa: S101 - chosen so
        tokenizer, prepare = _tokenizer(found, text)
        judge = Judge(
            **_opened(path.name, found),
            tokens=int(found.config.text_config.max_position_embeddings),
            tokenizer=tokenizer,
            text=text,
            prepare=prepare,
        )
        _finish(judge, found, {"a text": lambda: judge.text_features(["a red apple"])})
    return judge


def open_features(path: Path) -> Encoder:
    """Opens what `open_judge` opens, with or without a tokenizer, and Dinov2Model, with or without registers.

    Pictures are prepared as preprocessor_config.json says. Raises ModelError as `open_judge` does.
    """
    with _named(path, "encoder"):
        found = _look(path, FAMILIES)
        encoder = Encoder(**_opened(path.name, found))
        _finish(encoder, found, {})
    return encoder


@contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:  # a model is opened beside it: say whose file it is
        raise ModelError(f"the {what} {path}: {error.problem}", error.remedy) from error
    except OSError as error:
        where, why = error.filename or path, error.strerror
        raise ModelError(f"the {what} {path}: {where} cannot be read: {why}", "Check its rights") from error


def _look(path: Path, families: dict[str, Family]) -> _Directory:
    from burnish.load.config import read_object
    from burnish.load.directory import stamps

    if not path.is_dir():
        raise ModelError("it is not a directory", REMEDY)
    root = path.resolve()  # a link to a directory may be given, but none inside may leave it
    seen = stamps(root)
    files = {where: read_object(root / where, where) for where, *_ in seen if where.endswith(".json")}
    if CONFIG not in files:
        raise ModelError(f"{CONFIG} is missing", REMEDY)
    said = files[CONFIG].get("model_type")
    family = families.get(said) if isinstance(said, str) else None
    if family is None:
        known = ", ".join(families)
        raise ModelError(f"{CONFIG}: model_type is {said!r:.60}, which is none of {known}", REMEDY)
    return _Directory(root=root, seen=seen, files=files, family=family, config=_config(files, family))


def _config(files: Files, family: Family) -> Any:
    """The config of transformers, with its sizes within the limits of those of a model."""
    from burnish.load.config import check_limits

    # Not from_pretrained, which reads the file again and may follow it to another one.
    config = _made(family.config, lambda: _class(family.config).from_dict(files[CONFIG]))
    for where, part in [(f": {p}", getattr(config, p)) for p in family.parts] or [("", config)]:
        # As a dict it has the defaults too, and what an older transformers kept in text_config_dict.
        check_limits(_made(family.config, part.to_dict), f"{CONFIG}{where}")
    return config


def _opened(name: str, found: _Directory) -> dict[str, Any]:
    """The fields of an `Encoder`."""
    merges = digest(found.root / "merges.txt") if (found.root / "merges.txt").is_file() else ""
    preprocessing = _preprocessing(found)
    tensors, weights = _weights(found)
    _check_shapes(found, tensors)
    return {
        "name": name,
        "digest": digest_text(weights + json.dumps([found.files, merges], sort_keys=True)),
        "dimension": int(found.family.dimension(found.config)),
        "preprocessing": preprocessing,
        "family": found.family,
        "model": _model(found),
    }


def _finish(encoder: Encoder, found: _Directory, also: dict[str, Callable[[], Any]]) -> None:
    """Raises ModelError where files changed meanwhile, or a picture or a text has no features.

    Some configs parse and make none.
    """
    from burnish.load.directory import stamps

    if stamps(found.root) != found.seen:
        raise ModelError("it changed while it was opened", "Let it be written in peace, then try again")
    side = encoder.preprocessing.side
    picture = np.full((1, side, side, 3), 255, dtype=np.uint8)
    for what, make in {"a picture": lambda: encoder.image_features(picture), **also}.items():
        if not np.isfinite(_made(f"{what}'s features", make)).all():
            raise ModelError(f"its features of {what} are not finite", REMEDY)


def _made(what: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:
        # Configs that parse make these libraries raise almost anything; tokenizers raises Exception itself.
        raise ModelError(f"{what} cannot be made from its files: {error!s:.300}", REMEDY) from error


def _class(name: str) -> Any:
    """One of the classes that the table of families names."""
    import transformers

    return getattr(transformers, name)


def _preprocessing(found: _Directory) -> Preprocessing:
    """How pictures are made for the model, of a size that it takes."""
    preprocessing, file = read_preprocessing(found.files, found.family.crops)
    vision = getattr(found.config, "vision_config", found.config)
    key = "patch_size" if found.family.any_side else "image_size"
    side, size = preprocessing.side, getattr(vision, key)
    if side != size and not (found.family.any_side and isinstance(size, int) and side % size == 0):
        raise ModelError(
            f"{file} makes pictures of {side} pixels, but {CONFIG} has {key} {size!r:.60}", REMEDY
        )
    return preprocessing


def _tokenizer(found: _Directory, text: Text) -> tuple[Any, Callable[[str], str]]:
    """The tokenizer, which would open without its files too and know no words, and what comes before it."""
    words = "vocab.json" in found.files and (found.root / "merges.txt").is_file()
    if TOKENIZER not in found.files and not (text.merges and words):
        other = " nor vocab.json with merges.txt" if text.merges else ""
        raise ModelError(f"it has {'neither' if text.merges else 'no'} {TOKENIZER}{other}", REMEDY)
    said = found.files.get(TOKENIZER_CONFIG, {}).get("tokenizer_class")
    prepare = text.prepares.get(said) if isinstance(said, str | None) else None
    if prepare is None:
        known = ", ".join(filter(None, text.prepares))
        raise ModelError(
            f"{TOKENIZER_CONFIG}: tokenizer_class is {said!r:.60}, which is none of {known}", REMEDY
        )
    tokenizer = _made(
        text.opens, lambda: _class(text.opens).from_pretrained(found.root, local_files_only=True)
    )
    vocab_size = found.config.text_config.vocab_size
    if (highest := max(tokenizer.get_vocab().values(), default=0)) >= vocab_size:
        raise ModelError(
            f"the tokenizer has the token {highest}, but text_config in {CONFIG} has vocab_size {vocab_size}",
            "Take tokenizer and config from one model",
        )
    return tokenizer, prepare


def _weights(found: _Directory) -> tuple[dict[str, Tensor], str]:
    """The tensors of the model by name, and the sha256 over those of all safetensors files, each scanned."""
    from burnish.load.weights import component_weights, read_header, scan

    root = found.root
    _, tensors = component_weights(root, "model", ".")
    names = [where for where, *_ in found.seen if where.endswith(".safetensors") and "/" not in where]
    return tensors, digest_text("".join(scan(root / n, read_header(root / n, n), n) for n in names))


def _check_shapes(found: _Directory, tensors: dict[str, Tensor]) -> None:
    """Before memory is taken for what the config asks for: transformers fills what is missing at random."""
    import torch
    from transformers.core_model_loading import revert_weight_conversion

    def shapes() -> dict[str, Any]:
        with torch.device("meta"):
            model = _class(found.family.model)(found.config)
            # Names as files have them, which a newer transformers translates while it loads.
            return revert_weight_conversion(model, model.state_dict())

    for key, value in _made(found.family.model, shapes).items():
        if key not in tensors:
            raise ModelError(f"the weights lack {key}", ONE_MODEL)
        if (shape := tensors[key].shape) != tuple(value.shape):
            raise ModelError(
                f"the weights hold {key} with shape {list(shape)}, {CONFIG} says {list(value.shape)}",
                ONE_MODEL,
            )


def _model(found: _Directory) -> Any:
    """The model with every weight from the files, and every layer of the files in it."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    model, loaded = _made(
        found.family.model,
        lambda: _class(found.family.model).from_pretrained(
            found.root, config=found.config, dtype=torch.float32, **options
        ),
    )
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        for key in sorted(map(str, loaded[kind])):
            # Real checkpoints hold buffers that the model no longer has, but never layers that it lacks.
            if kind != "unexpected_keys" or LAYERS.search(key):
                raise ModelError(f"the weights have {kind.replace('_', ' ')}, as {key:.120}", ONE_MODEL)
    return model.eval()
