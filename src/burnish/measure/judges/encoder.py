"""Encoders turn pictures into features; judges are encoders that read prompts too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.measure.judges.families import Family, Text
from burnish.measure.judges.preprocessing import Preprocessing
from burnish.measure.pictures import Features, Pictures, check_pictures

if TYPE_CHECKING:  # torch takes seconds to import: only what runs a model pays
    import torch

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """An opened model. Its features have norm 1, so that a dot product is a cosine."""

    name: str
    digest: str  # sha256 over its weights and all other files that it is made from
    dimension: int
    preprocessing: Preprocessing
    family: Family
    model: Any  # of transformers, on the CPU in float32

    def image_features(self, images: Pictures) -> Features:
        """(n, d) float32 of uint8 pictures (n, height, width, 3); memory is that of 32 pictures.

        Raises SuiteError for other pictures.
        """
        import torch

        def encode(batch: Pictures) -> torch.Tensor:
            return self.family.image(self.model, torch.from_numpy(self.preprocessing(batch)))

        return _in_batches(encode, check_pictures(images), self.dimension)


@dataclass(frozen=True, kw_only=True)
class Judge(Encoder):
    """An encoder whose features of a picture and of what it shows point the same way."""

    tokens: int  # longest prompt, in tokens; what is beyond is cut off
    tokenizer: Any  # of transformers
    text: Text
    prepare: Callable[[str], str]  # what the family does to a prompt before its tokenizer

    def text_features(self, prompts: Sequence[str]) -> Features:
        """(n, d) float32 of prompts; memory is that of 32 prompts."""

        def encode(batch: Sequence[str]) -> torch.Tensor:
            tokens = self.tokenizer(
                [self.prepare(prompt) for prompt in batch],
                padding=self.text.padding,
                padding_side="right",
                truncation=True,
                max_length=self.tokens,
                return_tensors="pt",
            )
            return self.text.features(self.model, tokens)

        return _in_batches(encode, prompts, self.dimension)


def _in_batches(encode: Callable[[Any], torch.Tensor], items: Any, dimension: int) -> Features:
    import torch

    features = np.empty((len(items), dimension), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            raw = encode(batch)
            if raw.shape != (len(batch), dimension):  # one number a row would fill the row
                raise ValueError(f"features are {tuple(raw.shape)}, not {(len(batch), dimension)}")
            features[start : start + BATCH] = torch.nn.functional.normalize(raw, dim=-1).numpy()
    return features
