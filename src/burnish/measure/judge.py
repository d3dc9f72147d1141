"""The judge: a CLIP model from a local directory, which turns pictures and prompts into features."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from burnish.core.errors import ModelError
from burnish.core.files import digest, digest_text
from burnish.measure.pictures import Features, Pictures, check_pictures

if TYPE_CHECKING:  # torch, transformers and burnish.load take seconds to import: only open_judge pays
    import torch

    from burnish.load.directory import Stamp
    from burnish.load.weights import Tensor

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # where transformers 5 nests the same when a whole processor is saved
BATCH = 32
REMEDY = "Give a directory that CLIPModel, CLIPTokenizer and CLIPImageProcessor saved"
ONE_MODEL = "Take weights and config from one model"

TOKENIZERS = (None, "CLIPTokenizer", "CLIPTokenizerFast")


@dataclass(frozen=True)
class Preprocessing:
    """How pixels reach the judge: resized to `size` on the shorter edge, centre crop, (x - mean) / std."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Pictures) -> NDArray[np.float32]:
        """(n, 3, size, size) float32 of uint8 pictures of any size, bicubic as in CLIP."""
        levels = np.stack([self._fit(image) for image in images]).astype(np.float32) / np.float32(255)
        mean, std = np.array(self.mean, dtype=np.float32), np.array(self.std, dtype=np.float32)
        normal: NDArray[np.float32] = (levels - mean) / std
        return np.ascontiguousarray(normal.transpose(0, 3, 1, 2))

    def _fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        scale = self.size / min(height, width)
        new = (max(self.size, int(width * scale)), max(self.size, int(height * scale)))
        picture = Image.fromarray(image)
        picture = picture if new == (width, height) else picture.resize(new, Image.Resampling.BICUBIC)
        left, top = (new[0] - self.size) // 2, (new[1] - self.size) // 2
        return np.asarray(picture.crop((left, top, left + self.size, top + self.size)))


@dataclass(frozen=True)
class Judge:
    """An opened CLIP. Its features have norm 1, so that a dot product is a cosine."""

    name: str
    digest: str  # sha256 over its weights and all other files that it is made from
    dimension: int
    preprocessing: Preprocessing
    tokens: int  # longest prompt, in tokens; what is beyond is cut off
    model: Any  # transformers.CLIPModel
    tokenizer: Any  # transformers.CLIPTokenizer

    def image_features(self, images: Pictures) -> Features:
        """(n, d) float32 of uint8 pictures (n, height, width, 3); memory is that of 32 pictures."""
        import torch

        def encode(batch: Pictures) -> torch.Tensor:
            pixels = torch.from_numpy(self.preprocessing(batch))
            return self.model.visual_projection(self.model.vision_model(pixels).pooler_output)

        return _in_batches(encode, check_pictures(images), self.dimension)

    def text_features(self, prompts: Sequence[str]) -> Features:
        """(n, d) float32 of prompts; memory is that of 32 prompts."""

        def encode(batch: Sequence[str]) -> torch.Tensor:
            tokens = self.tokenizer(
                list(batch), padding=True, truncation=True, max_length=self.tokens, return_tensors="pt"
            )
            text = self.model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask)
            return self.model.text_projection(text.pooler_output)

        return _in_batches(encode, prompts, self.dimension)


def _in_batches(encode: Callable[[Any], torch.Tensor], items: Any, dimension: int) -> Features:
    import torch

    features = np.empty((len(items), dimension), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(items), BATCH):
            raw = encode(items[start : start + BATCH])
            features[start : start + BATCH] = torch.nn.functional.normalize(raw, dim=-1).numpy()
    return features


def open_judge(path: Path) -> Judge:
    """Opens a CLIPModel directory: config, safetensors weights, tokenizer, preprocessor_config.json.

    Local files alone, no code from the directory, no pickles, on the CPU in float32. Raises ModelError that
    names the file or the key and what mends it: for what is no CLIP; for code, pickles, links that leave, and
    keys that load such; for files missing or damaged; for weights and a config that do not fit together.
    """
    try:
        return _open(path)
    except ModelError as error:  # a model is opened beside it: say whose file it is
        raise ModelError(f"the judge {path}: {error.problem}", error.remedy) from error
    except OSError as error:
        where, why = error.filename or path, error.strerror
        raise ModelError(f"the judge {path}: {where} cannot be read: {why}", "Check its rights") from error


def _open(path: Path) -> Judge:
    from burnish.load.config import read_object
    from burnish.load.directory import stamps

    if not path.is_dir():
        raise ModelError("it is not a directory", REMEDY)
    root = path.resolve()  # a link to a directory may be given, but none inside may leave it
    seen = stamps(root)
    merges = digest(root / "merges.txt") if (root / "merges.txt").is_file() else ""
    files = {where: read_object(root / where, where) for where, *_ in seen if where.endswith(".json")}
    config = _config(files)
    preprocessing = _preprocessing(files, config.vision_config.image_size)
    tokenizer = _tokenizer(root, files, config.text_config.vocab_size)
    tensors, weights = _weights(root, seen)
    _check_shapes(config, tensors)
    model = _model(root, config)
    if stamps(root) != seen:
        raise ModelError("it changed while it was opened", "Let it be written in peace, then try again")
    judge = Judge(
        name=path.name,
        digest=digest_text(weights + json.dumps([files, merges], sort_keys=True)),
        dimension=int(config.projection_dim),
        preprocessing=preprocessing,
        tokens=int(config.text_config.max_position_embeddings),
        model=model,
        tokenizer=tokenizer,
    )
    _try(judge)
    return judge


def _try(judge: Judge) -> None:
    """Raises ModelError unless a picture and a text have features: some configs parse and make none."""
    side = judge.preprocessing.size
    picture = np.full((1, side, side, 3), 255, dtype=np.uint8)
    for what, features in (
        ("a picture", _made("a picture's features", lambda: judge.image_features(picture))),
        ("a text", _made("a text's features", lambda: judge.text_features(["a red apple"]))),
    ):
        if not np.isfinite(features).all():
            raise ModelError(f"its features of {what} are not finite", REMEDY)


def _made(what: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:
        # Configs that parse make these libraries raise almost anything; tokenizers raises Exception itself.
        raise ModelError(f"{what} cannot be made from its files: {error!s:.300}", REMEDY) from error


def _config(files: dict[str, dict[str, Any]]) -> Any:
    """The transformers.CLIPConfig, with its sizes within the limits of those of a model."""
    from burnish.load.config import check_limits

    if CONFIG not in files:
        raise ModelError(f"{CONFIG} is missing", REMEDY)
    if (said := files[CONFIG].get("model_type")) != "clip":
        raise ModelError(f"{CONFIG}: model_type is {said!r:.60}, not 'clip'", REMEDY)
    from transformers import CLIPConfig

    # Not from_pretrained, which reads the file again and may follow it to another one.
    config = _made("CLIPConfig", lambda: CLIPConfig.from_dict(files[CONFIG]))
    for part in ("text_config", "vision_config"):
        # As a dict it has the defaults too, and what an older transformers kept in text_config_dict.
        sizes = _made("CLIPConfig", getattr(config, part).to_dict)
        check_limits(sizes, f"{CONFIG}: {part}")
    return config


def _preprocessing(files: dict[str, dict[str, Any]], side: int) -> Preprocessing:
    """How pictures of `side` pixels are made for the model, which takes no others."""
    file = PROCESSOR if PREPROCESSOR not in files and PROCESSOR in files else PREPROCESSOR
    if file not in files:
        raise ModelError(f"{file} is missing", REMEDY)
    data: Any = files[file].get("image_processor") if file == PROCESSOR else files[file]
    try:
        size = data["size"]
        edge = int(size if isinstance(size, int) else size.get("shortest_edge", size.get("height")))
        red, green, blue = map(float, data["image_mean"])
        r, g, b = map(float, data["image_std"])
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ModelError(f"{file} has no usable size, image_mean and image_std: {error}", REMEDY) from None
    usual = all(abs(value) <= 1e3 for value in (red, green, blue, r, g, b))  # which no nan is
    if not usual or min(r, g, b) < 1e-3:
        raise ModelError(f"{file}: image_mean or image_std makes pictures that are not finite", REMEDY)
    if edge != side:
        raise ModelError(
            f"{file}: size is {edge} pixels, but vision_config in {CONFIG} has image_size {side!r:.60}",
            REMEDY,
        )
    return Preprocessing(edge, (red, green, blue), (r, g, b))


def _tokenizer(root: Path, files: dict[str, dict[str, Any]], vocab_size: int) -> Any:
    """The transformers.CLIPTokenizer; it would open without its files too, and know no words."""
    if "tokenizer.json" not in files and not ("vocab.json" in files and (root / "merges.txt").is_file()):
        raise ModelError("it has neither tokenizer.json nor vocab.json with merges.txt", REMEDY)
    if (said := files.get(TOKENIZER_CONFIG, {}).get("tokenizer_class")) not in TOKENIZERS:
        raise ModelError(f"{TOKENIZER_CONFIG}: tokenizer_class is {said!r:.60}, not 'CLIPTokenizer'", REMEDY)
    from transformers import CLIPTokenizer

    tokenizer = _made("CLIPTokenizer", lambda: CLIPTokenizer.from_pretrained(root, local_files_only=True))
    if (highest := max(tokenizer.get_vocab().values())) >= vocab_size:
        raise ModelError(
            f"the tokenizer has the token {highest}, but text_config in {CONFIG} has vocab_size {vocab_size}",
            "Take tokenizer and config from one model",
        )
    return tokenizer


def _weights(root: Path, seen: tuple[Stamp, ...]) -> tuple[dict[str, Tensor], str]:
    """The tensors of the model by name, and the sha256 over those of all safetensors files, each scanned."""
    from burnish.load.weights import component_weights, read_header, scan

    _, tensors = component_weights(root, "model", ".")
    names = [where for where, *_ in seen if where.endswith(".safetensors") and "/" not in where]
    return tensors, digest_text("".join(scan(root / n, read_header(root / n, n), n) for n in names))


def _check_shapes(config: Any, tensors: dict[str, Tensor]) -> None:
    """Before memory is taken for what the config asks for: transformers fills what is missing at random."""
    import torch
    from transformers import CLIPModel

    with torch.device("meta"):
        wanted = _made("CLIPModel", lambda: CLIPModel(config)).state_dict()
    for key, value in wanted.items():
        if key not in tensors:
            raise ModelError(f"the weights lack {key}", ONE_MODEL)
        if (shape := tensors[key].shape) != tuple(value.shape):
            raise ModelError(
                f"the weights hold {key} with shape {list(shape)}, {CONFIG} says {list(value.shape)}",
                ONE_MODEL,
            )


def _model(root: Path, config: Any) -> Any:
    """The transformers.CLIPModel with every weight from the files, and every layer of the files in it."""
    import torch
    from transformers import CLIPModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
    model, loaded = _made(
        "CLIPModel",
        lambda: CLIPModel.from_pretrained(root, config=config, dtype=torch.float32, **options),
    )
    for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        for key in sorted(map(str, loaded[kind])):
            # Real checkpoints hold buffers that the model no longer has, but never layers that it lacks.
            if kind != "unexpected_keys" or ".encoder.layers." in key:
                raise ModelError(f"the weights have {kind.replace('_', ' ')}, as {key:.120}", ONE_MODEL)
    return model.eval()
