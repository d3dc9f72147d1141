"""The families of models that give features: a new one is one more entry of `FAMILIES`."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, kw_only=True)
class Text:
    """How a family reads prompts."""

    opens: str  # the class of transformers that opens the tokenizer
    prepares: Mapping[str | None, Callable[[str], str]]  # by tokenizer_class; none but these are opened
    merges: bool  # whether vocab.json with merges.txt will do in place of tokenizer.json
    padding: bool | str  # as tokenizers spell it: True is the longest of the batch
    features: Callable[[Any, Any], Any]  # model, tokens -> (n, d)


@dataclass(frozen=True, kw_only=True)
class Family:
    """What opening and running a model of one model_type needs to know."""

    config: str  # classes of transformers
    model: str
    parts: tuple[str, ...]  # of the config, whose sizes are checked; () where it has none
    crops: bool  # whether its image processor crops where its file does not say
    any_side: bool  # whether it takes pictures of any whole number of patches, or of image_size alone
    dimension: Callable[[Any], int]  # of features, by the config
    image: Callable[[Any, Any], Any]  # model, pixels (n, 3, side, side) -> (n, d)
    text: Text | None = None


def as_it_is(prompt: str) -> str:
    """CLIP's tokenizer lowers capitals itself."""
    return prompt


def canonical(prompt: str) -> str:
    """Lower-case words with single spaces and no punctuation, as SigLIP's training texts were.

    "canonicalize" of Zhai et al., SigLIP, ICCV 2023, in its published code. Doing it twice changes nothing.
    """
    return " ".join(prompt.lower().translate(PUNCTUATION).split())


def _clip_text(model: Any, tokens: Any) -> Any:
    text = model.text_model(tokens.input_ids, attention_mask=tokens.attention_mask)
    return model.text_projection(text.pooler_output)


def _siglip_text(model: Any, tokens: Any) -> Any:
    """The last of all positions, usually padding, and no mask: that is how it was trained."""
    return model.text_model(tokens.input_ids).pooler_output


def _dinov2(name: str) -> Family:
    """Oquab et al., DINOv2, TMLR 2024: the class token after the last layer norm."""
    return Family(
        config=f"{name}Config",
        model=f"{name}Model",
        parts=(),
        crops=True,
        any_side=True,
        dimension=lambda config: config.hidden_size,
        image=lambda model, pixels: model(pixels).pooler_output,
    )


FAMILIES: dict[str, Family] = {
    # Radford et al., ICML 2021
    "clip": Family(
        config="CLIPConfig",
        model="CLIPModel",
        parts=("text_config", "vision_config"),
        crops=True,
        any_side=False,
        dimension=lambda config: config.projection_dim,
        image=lambda model, pixels: model.visual_projection(model.vision_model(pixels).pooler_output),
        text=Text(
            opens="CLIPTokenizer",
            prepares=dict.fromkeys((None, "CLIPTokenizer", "CLIPTokenizerFast"), as_it_is),
            merges=True,
            padding=True,
            features=_clip_text,
        ),
    ),
    # Zhai et al., ICCV 2023; SigLIP 2 of one picture size (Tschannen et al., 2025) has the same model_type,
    # Gemma's tokenizer and lower-case texts with their punctuation.
    "siglip": Family(
        config="SiglipConfig",
        model="SiglipModel",
        parts=("text_config", "vision_config"),
        crops=False,
        any_side=False,
        dimension=lambda config: config.vision_config.hidden_size,
        image=lambda model, pixels: model.vision_model(pixels).pooler_output,
        text=Text(
            opens="PreTrainedTokenizerFast",  # tokenizer.json as it is; SiglipTokenizer needs sentencepiece
            prepares={
                **dict.fromkeys(("SiglipTokenizer", "SiglipTokenizerFast"), canonical),
                **dict.fromkeys(("GemmaTokenizer", "GemmaTokenizerFast", "Siglip2Tokenizer"), str.lower),
                **dict.fromkeys((None, "PreTrainedTokenizerFast", "TokenizersBackend"), str.lower),
            },
            merges=False,
            padding="max_length",
            features=_siglip_text,
        ),
    ),
    "dinov2": _dinov2("Dinov2"),
    "dinov2_with_registers": _dinov2("Dinov2WithRegisters"),  # Darcet et al., ICLR 2024
}
