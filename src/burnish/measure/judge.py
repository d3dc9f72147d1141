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
from burnish.core.files import digest, digest_text, read_text
from burnish.measure.pictures import Features, Pictures, check_pictures

if TYPE_CHECKING:  # torch and transformers take seconds to import, so only a call to open_judge pays
    import torch

PREPROCESSOR = "preprocessor_config.json"
PROCESSOR = "processor_config.json"  # where transformers 5 nests the same when a whole processor is saved
BATCH = 32
REMEDY = "Give a directory that CLIPModel, CLIPTokenizer and CLIPImageProcessor saved"


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
    digest: str  # sha256 of its weights
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

    Local files alone, no code from the directory, no pickles, on the CPU in float32. Raises ModelError where
    the directory is no CLIP, or a file is missing or damaged.
    """
    config = _read(path / "config.json")
    if config.get("model_type") != "clip":
        raise ModelError(f"{path} holds {config.get('model_type', 'no model')!r}, not a CLIP", REMEDY)
    preprocessing = _preprocessing(path)
    import torch
    from safetensors import SafetensorError
    from transformers import AutoTokenizer, CLIPModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
        model = CLIPModel.from_pretrained(
            path, local_files_only=True, use_safetensors=True, dtype=torch.float32
        ).eval()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{path} does not open as a CLIP: {error}", REMEDY) from None
    return Judge(
        name=path.name,
        digest=digest_text("".join(digest(file) for file in sorted(path.glob("*.safetensors")))),
        dimension=int(model.config.projection_dim),
        preprocessing=preprocessing,
        tokens=int(model.config.text_config.max_position_embeddings),
        model=model,
        tokenizer=tokenizer,
    )


def _preprocessing(path: Path) -> Preprocessing:
    whole = path / PROCESSOR
    nested = not (path / PREPROCESSOR).exists() and whole.exists()
    data = _read(whole).get("image_processor", {}) if nested else _read(path / PREPROCESSOR)
    try:
        size = data["size"]
        edge = size if isinstance(size, int) else size.get("shortest_edge", size.get("height"))
        mean, std = tuple(map(float, data["image_mean"])), tuple(map(float, data["image_std"]))
        red, green, blue = mean
        r, g, b = std
        return Preprocessing(int(edge), (red, green, blue), (r, g, b))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} has no usable size, image_mean and image_std: {error}", REMEDY) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {error}", REMEDY) from None
    return data if isinstance(data, dict) else {}
