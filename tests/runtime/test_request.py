"""Every request that a bundle cannot answer is refused by the name of the field."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import CLIPTokenizer

from burnish.core.errors import PromptCutWarning, RequestError
from burnish.runtime import Pipeline, Request
from burnish.runtime.text import PromptTokenizer
from tests.conftest import DDPM, DIT, SD, Bundles, asked

IMAGE = np.zeros((32, 32, 3), dtype=np.uint8)
MASK = np.ones((32, 32), dtype=np.float32)

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no seed": (SD, {"seeds": ()}, "no seed"),
    "negative seed": (SD, {"seeds": (-1,)}, "seed -1 is out of range"),
    "seed too large": (DDPM, {"seeds": (0, 2**63)}, "seed 9223372036854775808 is out of range"),
    "no prompt": (SD, {"prompts": ()}, "prompts has 0 entries for 1 pictures"),
    "prompts and seeds differ": (
        SD,
        {"seeds": (1, 2, 3), "prompts": ("a", "b")},
        "prompts has 2 .* Give 1 or 3",
    ),
    "prompt too long": (SD, {"prompts": ("a" * 32_001,)}, "longer than 32000 bytes"),
    "prompt too long in bytes": (SD, {"prompts": ("é" * 16_001,)}, "longer than 32000 bytes"),
    "negative prompt too long": (SD, {"negative_prompt": "a" * 32_001}, "longer than 32000 bytes"),
    "labels where text is read": (SD, {"class_labels": (1,)}, "takes no class_labels"),
    "no label": (DIT, {"class_labels": ()}, "class_labels has 0"),
    "labels and seeds differ": (DIT, {"seeds": (1,), "class_labels": (1, 2)}, "class_labels has 2"),
    "label too large": (DIT, {"class_labels": (1000,)}, "class label 1000 is out of range.*0 to 999"),
    "negative label": (DIT, {"class_labels": (-1,)}, "class label -1"),
    "prompt for classes": (DIT, {"prompts": ("a",)}, "takes no prompts"),
    "negative prompt for classes": (DIT, {"negative_prompt": "a"}, "takes no negative_prompt"),
    "prompt for none": (DDPM, {"prompts": ("a",)}, "takes no prompts"),
    "label for none": (DDPM, {"class_labels": (1,)}, "takes no class_labels"),
    "height": (SD, {"height": 33}, "height 33 is not divisible by 8.*Use 32"),
    "width": (SD, {"width": 1}, "width 1 is not divisible by 8.*Use 8"),
    "no height": (SD, {"height": 0}, "height 0 is not divisible"),
    "negative width": (DDPM, {"width": -32}, "width -32"),
    "huge": (SD, {"height": 8192, "width": 8192}, "8192x8192 is more than"),
    "fixed size": (DIT, {"height": 64, "width": 64}, "makes 32x32 pixels only"),
    "no strength": (SD, {"image": IMAGE, "strength": 0.0}, "strength 0.0 is out of range"),
    "too strong": (SD, {"image": IMAGE, "strength": 1.01}, "strength 1.01"),
    "strength that is no number": (SD, {"image": IMAGE, "strength": float("nan")}, "strength nan"),
    "image in floats": (SD, {"image": IMAGE / 255}, "image has shape .* float64.*of uint8"),
    "grey image": (SD, {"image": IMAGE[..., 0]}, r"image has shape \(32, 32\)"),
    "transparent image": (SD, {"image": np.zeros((32, 32, 4), np.uint8)}, r"image has shape \(32, 32, 4\)"),
    "a line": (SD, {"image": IMAGE[0, 0]}, r"image has shape \(3,\)"),
    "a batch": (SD, {"image": IMAGE[None]}, r"image has shape \(1, 32, 32, 3\)"),
    "image of another size": (SD, {"image": IMAGE, "height": 64}, r"image has shape .*Give \(64, 32, 3\)"),
    "image of no size": (SD, {"image": IMAGE[:31]}, "height 31 is not divisible"),
    "empty image": (SD, {"image": IMAGE[:0]}, "height 0"),
    "mask alone": (SD, {"mask": MASK}, "mask needs an image"),
    "mask of another size": (SD, {"image": IMAGE, "mask": MASK[:16]}, r"mask has shape \(16, 32\)"),
    "mask in levels": (SD, {"image": IMAGE, "mask": MASK * 255}, "mask has values outside 0 to 1"),
    "mask below nothing": (SD, {"image": IMAGE, "mask": -MASK}, "mask has values outside"),
    "mask of NaN": (SD, {"image": IMAGE, "mask": MASK * np.nan}, "mask has values outside"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(name: str, bundle: Bundles) -> None:
    """The first step raises RequestError with the field, its value and what would do."""
    family, changes, words = REFUSED[name]
    seeds = changes.get("seeds", (7,))
    request = asked(family, 7, **{k: v for k, v in changes.items() if k != "seeds"})
    with pytest.raises(RequestError, match=words):
        next(Pipeline(bundle(family)).steps(Request(**(vars(request) | {"seeds": seeds}))))


def test_a_bundle_without_image_tables_refuses_images(bundle: Bundles) -> None:
    """A table that is tried unbuilt has no image-to-image tables."""
    own = Pipeline(bundle(SD))
    with pytest.raises(RequestError, match="no image-to-image"):
        own.with_program(own.program).generate(asked(SD, image=IMAGE))


def test_a_step_of_two_calls_is_one_step_to_strength(bundle: Bundles) -> None:
    """Half the strength is half the steps: Heun has eleven calls in six steps, and five in the last three."""
    pipeline = Pipeline(bundle(SD, scheduler="HeunDiscreteScheduler"))
    steps = list(pipeline.steps(asked(SD, image=IMAGE, strength=0.5)))
    assert (pipeline.program.calls, steps[-1].calls) == (11, 5)
    assert steps[-1].images is not None


TEXTS = (
    "",
    "a red apple",
    "A  RED\tApple!",
    "don't stop, 2024",
    "<|endoftext|> red",
    "a red apple and a blue hat",
    "\ud800 broken",
    "x" * 200,
)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_are_those_of_transformers(text: str, bundle: Bundles, unclipped_models: dict[str, Path]) -> None:
    """The bundle's own tokenizer file gives the padded, truncated ids that diffusers gives the model."""
    theirs = CLIPTokenizer.from_pretrained(unclipped_models[SD] / "tokenizer")
    plain = text.encode("utf-8", "replace").decode()
    expected = theirs(plain, padding="max_length", max_length=16, truncation=True).input_ids
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptCutWarning)
        ids = PromptTokenizer(bundle(SD) / "tokenizer.json").ids([text])[0]
    assert ids.tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "cut"),
    [("a red apple b c d e f g h i j k l m n o p", "m n o p"), ("a red apple " + "é" * 8 + " hat", "éé hat")],
)
def test_what_was_cut_is_quoted(text: str, cut: str, bundle: Bundles) -> None:
    """The warning ends in exactly the words that were not read; a prompt that fits says nothing."""
    tokenizer = PromptTokenizer(bundle(SD) / "tokenizer.json")
    with pytest.warns(PromptCutWarning) as caught:
        tokenizer.ids(["a red apple", text])
    assert [str(w.message).split("not read: ")[1] for w in caught] == [repr(cut)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer.ids(["a red apple"])
