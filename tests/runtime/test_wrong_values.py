"""What a bundle says of itself is bounded, and fits together; digests alone make nothing right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.core.bundle import MANIFEST
from burnish.core.errors import BundleError
from burnish.core.model import ModelCard
from burnish.runtime import Pipeline
from burnish.runtime.manifest import open_manifest
from tests.conftest import DDPM, SD, Bundles, asked
from tests.runtime.damage import Damage, doubled, edit, graph, manifest, model, rewritten, shapeless, signed


def _surrounded(data: dict[str, Any], tokens: int) -> None:
    """Gives every text so many tokens of its own before it."""
    token = {"id": "x", "ids": [1], "tokens": ["x"]}
    parts = [{"SpecialToken": {"id": "x", "type_id": 0}}] * tokens + [{"Sequence": {"id": "A", "type_id": 0}}]
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    template = {"single": parts, "pair": pair, "special_tokens": {"x": token}}
    data["post_processor"] = {"type": "TemplateProcessing", **template}


@contextmanager
def refused(directory: Path, words: str) -> Iterator[None]:
    """Expects one short line that says these words, and a remedy."""
    with pytest.raises(BundleError) as error:
        yield
    assert words in str(error.value)
    assert error.value.remedy
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value).replace(str(directory), "")) < 400


FITS_NOT = "no whole multiple"
WRONG: dict[str, tuple[Damage, str]] = {
    "a large latent": (model(latent_shape=[4, 128, 128]), FITS_NOT),
    "stretched": (model(latent_shape=[4, 8, 16]), FITS_NOT),
    "no channels": (model(latent_shape=[0, 8, 8]), "model.latent_shape.0"),
    "a milliard channels": (model(latent_shape=[10**9, 8, 8]), "model.latent_shape.0"),
    "a milliard rows": (model(latent_shape=[4, 10**9, 8]), "model.latent_shape.1"),
    "a milliard pixels": (model(image_shape=[3, 32, 10**9]), "model.image_shape.2"),
    "four colours": (model(image_shape=[4, 32, 32]), "model.image_shape.0"),
    "much of all": (
        model(latent_shape=[1024, 4096, 4096], image_shape=[3, 4096, 4096]),
        "latent_shape (1024, 4096, 4096) is more than",
    ),
    "multiple of nothing": (model(size_multiple=0), "model.size_multiple"),
    "a large multiple": (model(size_multiple=8192), "model.size_multiple"),
    "an odd multiple": (model(size_multiple=6), "size_multiple 6 does not fit"),
    "a multiple beyond the picture": (model(size_multiple=64), "size_multiple 64 does not fit"),
    "no tokens": (model(max_tokens=0), "1 tokenizers, more than the model reads with"),
    "a milliard tokens": (model(max_tokens=10**9), "model.max_tokens"),
    "many classes": (model(classes=10**30), "model.classes"),
    "of another family": (
        model(family="unconditional", latent_shape=[3, 32, 32]),
        "that draws pixels has no decoder",
    ),
    "scaled by nothing": (model(scaling_factor=0), "scaling_factor"),
    "scaled by nearly nothing": (model(scaling_factor=1e-50), "scaling_factor"),
    "scaled by no number": (model(scaling_factor=float("nan")), "scaling_factor"),
    "scaled by infinity": (model(scaling_factor=float("inf")), "scaling_factor"),
    "shifted away": (model(shift_factor=-1e300), "shift_factor"),
    "a class below": (manifest(null_class=-1), "null_class"),
    "a class above": (manifest(null_class=1), "null_class is 1 of 0 classes"),
    **{
        f"graph {name!r}": (graph("denoiser", file=name), ".file: String should match")
        for name in (
            "",
            ".xml",
            "denoiser",
            "denoiser.bin",
            "../denoiser.xml",
            "a/b.xml",
            "a\0.xml",
            "a.xml\n",
        )
    },
    "a role twice": (edit(lambda data: data["graphs"].append(data["graphs"][0])), "more than one context"),
    **{
        f"inputs of {role} {inputs}": (graph(role, inputs=inputs), words)
        for role, inputs, words in (
            ("denoiser", ["sample", "output"], "denoiser takes 'output', which nothing before it gives"),
            # Each has some of what is there: the timestep is projected, ids are encoded, the state is last.
            ("denoiser", ["sample", "timestep"], "denoiser takes 'timestep', which nothing before it gives"),
            ("denoiser", ["sample", "input_ids"], "denoiser takes 'input_ids', which nothing"),
            ("time_proj", [], "inputs"),
            ("time_proj", ["input_ids"], "time_proj takes 'input_ids', which nothing before it gives"),
            ("text_encoder", ["sample"], "text_encoder takes 'sample', which nothing before it gives"),
            ("text_encoder", ["time_proj"], "text_encoder takes 'time_proj', which nothing before it gives"),
            ("text_encoder", ["timestep"], "text_encoder takes 'timestep', which nothing before it gives"),
            ("context", ["modulation.0"], "context takes 'modulation.0', which nothing before it gives"),
            ("context", ["time_proj"], "context takes 'time_proj', which nothing before it gives"),
            ("modulation", ["a/b"], "inputs.0"),
            ("modulation", ["sample"], "modulation takes 'sample', which nothing before it gives"),
            ("modulation", ["timestep"], "modulation takes 'timestep', which nothing before it gives"),
            ("decoder", ["sample", "sample"], "inputs of decoder are"),
            ("image_encoder", ["image"], "inputs of image_encoder are"),
        )
    },
    **{
        f"outputs of {role} {outputs}": (graph(role, outputs=outputs), f"outputs of {role} are")
        for role, outputs in {
            "denoiser": {"output": [8, 8, 8]},
            "decoder": {"pixels": [3, 16, 16]},
            "image_encoder": {"latents": [4, 8]},
        }.items()
    },
    "no output": (graph("denoiser", outputs={}), "outputs"),
    "an output below": (graph("time_proj", outputs={"time_proj": [-1]}), "outputs.time_proj.0"),
    "an output of a milliard": (graph("time_proj", outputs={"time_proj": [10**9]}), "outputs.time_proj.0"),
    "an output of another": (
        graph("text_encoder", outputs={"time_proj": [32]}),
        "text_encoder gives 'time_proj', which is there already",
    ),
    "a long and wide text": (
        edit(
            lambda data: (
                data["model"].update(max_tokens=65536),
                next(g for g in data["graphs"] if g["role"] == "text_encoder").update(
                    outputs={"condition": [65536, 65536]}
                ),
            )
        ),
        "'condition' of text_encoder is (65536, 65536), more than",
    ),
    "no tokenizer at all": (
        signed("tokenizer.json", lambda _: "{}"),
        "tokenizer.json is no tokenizer: Model",
    ),
    "a deep tokenizer": (signed("tokenizer.json", lambda _: "[" * 99_999), "is no tokenizer: invalid type"),
    **{
        f"{part} {field} {value}": (
            rewritten(
                "tokenizer.json", lambda data, at=(part, field, value): data[at[0]].update({at[1]: at[2]})
            ),
            f"tokenizer.json: {part} {named} is",
        )
        for part, field, value, named in (
            ("padding", "strategy", {"Fixed": 10**9}, "length"),
            ("padding", "strategy", "BatchLongest", "length"),
            ("padding", "pad_to_multiple_of", 0, "pad_to_multiple_of"),
            ("truncation", "max_length", 10**9, "max_length"),
            ("truncation", "stride", 16, "stride"),
            ("truncation", "strategy", "OnlySecond", "strategy"),
        )
    },
    **{
        f"no {part}": (
            rewritten("tokenizer.json", lambda data, part=part: data.update({part: None})),
            f"{part} {field} is None",
        )
        for part, field in (("padding", "length"), ("truncation", "max_length"))
    },
    "a text of nothing else": (
        rewritten("tokenizer.json", lambda data: _surrounded(data, 17)),
        "tokenizer.json puts 17 tokens around",
    ),
    "an immense scale": (
        rewritten("program.json", lambda data: data["input_scale"].__setitem__(0, 1e300)),
        "program.json: the whole: every number",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_when_a_bundle_is_opened(name: str, copied: Bundles) -> None:
    """What is signed is not therefore right: one line names the file or the field, and says what to do."""
    damage, words = WRONG[name]
    directory = copied(SD)
    damage(directory)
    with refused(directory, words):
        Pipeline(directory)


PIECEMEAL: dict[str, tuple[Damage, str]] = {
    "two deep wires": (
        graph("deep", outputs={"deep.0": [24, 4, 4], "deep.1": [24, 4, 4]}),
        "deep gives 2 wires, not the deep features alone",
    ),
    "up before deep": (
        edit(lambda data: [g.update(inputs=["up.0"]) for g in data["graphs"] if g["role"] == "down"]),
        "down takes 'up.0', which nothing before it gives",
    ),
    "ids beside the state": (
        graph("deep", inputs=["down.0", "attention_mask_2"]),
        "deep takes 'attention_mask_2', which nothing before it gives",
    ),
    "what down gave": (
        graph("deep", outputs={"down.0": [16, 8, 8]}),
        "deep gives 'down.0', which is there already",
    ),
}


@pytest.mark.parametrize("name", PIECEMEAL)
def test_pieces_that_are_not_joined_are_refused(name: str, copied: Bundles) -> None:
    """Of a denoiser in three, deep gives one wire, and each takes what is there before it."""
    damage, words = PIECEMEAL[name]
    directory = copied(SD, cut=1)
    damage(directory)
    with refused(directory, words):
        Pipeline(directory)


LETTERLESS = {"unk_token": "nowhere", "vocab": {"q": 0}, "merges": []}
LATE: dict[str, tuple[Damage, str]] = {
    "no graph": (signed("denoiser.xml", lambda _: "<net/>"), "denoiser.xml is no graph of OpenVINO"),
    "half a graph": (
        signed("denoiser.xml", lambda text: text[: len(text) // 2]),
        "denoiser.xml is no graph for",
    ),
    "another graph": (
        signed("denoiser.xml", lambda text: text.replace('"context.0"', '"context"')),
        "denoiser.xml is no graph for inputs of {'sample'",
    ),
    "deep tables": (signed("starts.json", lambda _: "[" * 99_999), "starts.json has no table"),
    "too few tables": (signed("starts.json", lambda _: "[]"), "starts.json has no table"),
    "an immense table": (
        rewritten("starts.json", lambda data: [table.update(image_scale=1e300) for table in data]),
        "starts.json has no table to start at step 3: Value error, every number",
    ),
    "a table without noise": (
        rewritten("starts.json", lambda data: [table["rows"][0].update(start=0.0) for table in data]),
        "which divides it, is 0",
    ),
    **{
        f"a {role} that gives twice as much": (doubled(role), f"{role} of")
        for role in ("time_proj", "text_encoder", "denoiser", "decoder", "image_encoder")
    },
    "numbers for a shape": (shapeless("time_proj"), "time_proj.xml cannot be run on its inputs"),
    "a tokenizer of no letters": (
        rewritten("tokenizer.json", lambda data: data["model"].update(LETTERLESS)),
        "tokenizer.json reads no text",
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_wrong_files_are_refused_when_they_are_needed(name: str, copied: Bundles) -> None:
    """Graphs and tables that are opened late are refused late, in one line that names the file."""
    damage, words = LATE[name]
    directory = copied(SD)
    damage(directory)
    opened = Pipeline(directory)
    with refused(directory, words):
        opened.generate(asked(SD, image=np.zeros((32, 32, 3), dtype=np.uint8), strength=0.5))


def test_a_family_has_its_own_graphs(copied: Bundles) -> None:
    """A decoder or a tokenizer in the bundle of a model that draws pixels from nothing is refused."""
    directory = copied(DDPM)
    for change, words in (
        (lambda data: data["graphs"].append(data["graphs"][0] | {"role": "decoder"}), "has no decoder"),
        (lambda data: data.update(tokenizers=["tokenizer.json"]), "1 tokenizers, more than the model reads"),
        (lambda data: data["model"].update(latent_shape=[3, 16, 16]), "nothing decodes"),
    ):
        whole = (directory / MANIFEST).read_text()
        edit(change)(directory)
        with pytest.raises(BundleError, match=words):
            open_manifest(directory)
        (directory / MANIFEST).write_text(whole)


@pytest.mark.parametrize(
    ("family", "latents", "side", "multiple", "more"),
    [
        ("stable-diffusion", (4, 64, 64), 512, 64, {"max_tokens": 77}),
        ("stable-diffusion", (4, 96, 96), 768, 64, {"max_tokens": 77}),
        ("stable-diffusion", (4, 128, 128), 1024, 32, {"max_tokens": 77}),
        ("stable-diffusion", (16, 512, 512), 4096, 64, {"max_tokens": 512}),
        ("class-conditional", (4, 64, 64), 512, 16, {"classes": 1000}),
        ("unconditional", (3, 1024, 1024), 1024, 32, {}),
    ],
)
def test_models_that_there_are_fit(
    family: str, latents: tuple[int, ...], side: int, multiple: int, more: dict[str, int]
) -> None:
    """Stable Diffusion 1 and 2, the size of SDXL, what may come, DiT-XL/2 and large pixels have a card."""
    card = ModelCard.model_validate(
        {
            "name": "m",
            "family": family,
            "pipeline": "",
            "components": (),
            "prediction_type": "epsilon",
            "scheduler": "",
            "latent_shape": latents,
            "image_shape": (3, side, side),
            "size_multiple": multiple,
            "digest": "",
            **more,
        }
    )
    assert card.latent_shape == latents
