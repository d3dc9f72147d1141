"""What a model directory is, what it weighs, what its licence says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from diffusers import (
    DiTPipeline,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from burnish.core.errors import ModelError
from burnish.load import inspect
from burnish.load.card import front_matter
from tests.load.conftest import Copy
from tests.load.damage import UNET, edit, shard, write

SCHEDULER = "scheduler/scheduler_config.json"

EXPECTED = {
    "stable_diffusion": ("stable-diffusion", "StableDiffusionPipeline", (4, 8, 8), (3, 32, 32), 8, 16, 0),
    "unconditional": ("unconditional", "DDPMPipeline", (3, 32, 32), (3, 32, 32), 2, 0, 0),
    "class_conditional": ("class-conditional", "DiTPipeline", (4, 8, 8), (3, 32, 32), 8, 0, 1000),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_card_says_what_it_is(models: dict[str, Path], name: str) -> None:
    """Each family is told with its pipeline, shapes, size multiple, tokens and classes."""
    card = inspect(models[name])
    said = (card.family, card.pipeline, card.latent_shape, card.image_shape)
    assert (*said, card.size_multiple, card.max_tokens, card.classes) == EXPECTED[name]
    assert card.prediction_type == "epsilon"
    assert card.name == name


def test_components_are_counted_as_pytorch_counts(models: dict[str, Path]) -> None:
    """Parameters, bytes, dtype and digest of each component agree with the live modules and their files."""
    path = models["stable_diffusion"]
    live = StableDiffusionPipeline.from_pretrained(path)
    parts = {c.name: c for c in inspect(path).components}
    assert set(parts) == {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}
    for name, file in (("unet", UNET), ("text_encoder", "text_encoder/model.safetensors")):
        content = (path / file).read_bytes()
        assert parts[name].parameters == sum(p.numel() for p in getattr(live, name).parameters())
        assert parts[name].size_bytes == len(content)
        assert parts[name].digest == hashlib.sha256(content).hexdigest()
        assert parts[name].dtype == "fp32"
        assert parts[name].class_name == type(getattr(live, name)).__name__


def test_half_precision_is_named(copy: Copy) -> None:
    """Weights saved in half precision are named so, and weigh half."""
    path = copy("stable_diffusion")
    whole = {c.name: c.size_bytes for c in inspect(path).components}
    unet = UNet2DConditionModel.from_pretrained(path / "unet", torch_dtype=torch.float16)
    unet.save_pretrained(path / "unet")
    half = {c.name: c for c in inspect(path).components}["unet"]
    assert half.dtype == "fp16"
    assert half.size_bytes < 0.6 * whole["unet"]


def test_shards_weigh_what_the_whole_weighs(copy: Copy) -> None:
    """A component in two files has as many parameters as in one, and a digest over both files."""
    path = copy("stable_diffusion")
    whole = {c.name: c for c in inspect(path).components}["unet"]
    shard()(path)
    split = {c.name: c for c in inspect(path).components}["unet"]
    assert split.parameters == whole.parameters
    assert split.digest not in ("", whole.digest)


def test_digest_is_over_every_file(copy: Copy) -> None:
    """The digest stays while no byte changes, and changes with any file, the card's text included."""
    path = copy("stable_diffusion")
    before = inspect(path).digest
    assert inspect(path).digest == before
    edit(SCHEDULER, beta_end=0.013)(path)
    changed = inspect(path).digest
    write("README.md", b"other words")(path)
    assert len({before, changed, inspect(path).digest}) == 3


@pytest.mark.parametrize(
    ("readme", "licence", "source"),
    [
        (b"---\nlicense: apache-2.0\nbase_model: a/b\n---\n", "apache-2.0", "a/b"),
        (b"---\r\nlicense: 'mit'  \r\nbase_model:\r\n- a/b\r\n- \"c/d\"\r\n---\r\n", "mit", "a/b, c/d"),
        (b"---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0", ""),
        (
            b"---\nlicense: other\nlicense_name: flux-1\nsource: https://x.org/y\n---\n",
            "flux-1",
            "https://x.org/y",
        ),
        (b"---\nlicense: other\n---\n", "other", ""),
        (
            b"---\ntags:\n- license: gpl\nnested:\n  license: gpl\n# license: gpl\n---\nlicense: gpl\n",
            "unknown",
            "",
        ),
        (b"---\nlicense: mit\n", "unknown", ""),
        (b"# no front matter\nlicense: mit\n", "unknown", ""),
        (b"\xff\xfe\x00", "unknown", ""),
        (b"", "unknown", ""),
    ],
)
def test_licence_comes_from_the_card(copy: Copy, readme: bytes, licence: str, source: str) -> None:
    """Licence and source are read from the card's front matter alone; else they are unknown and ""."""
    path = copy("unconditional")
    write("README.md", readme)(path)
    card = inspect(path)
    assert (card.licence, card.source) == (licence, source)


def test_no_card_no_licence(models: dict[str, Path]) -> None:
    """Without a README the licence is unknown, not assumed."""
    assert inspect(models["unconditional"]).licence == "unknown"


def test_front_matter_is_not_yaml() -> None:
    """Anchors, tags and documents of YAML are only text."""
    text = "---\na: &x !!python/object/apply:os.system [ls]\nb: *x\n---\n"
    assert front_matter(text) == {"a": "&x !!python/object/apply:os.system [ls]", "b": "*x"}


def test_prediction_type(copy: Copy) -> None:
    """The prediction type is what the scheduler says, or its class's default, or flow for flow matching."""
    path = copy("stable_diffusion")
    index = "model_index.json"
    edit(SCHEDULER, prediction_type="v_prediction")(path)
    assert inspect(path).prediction_type == "v_prediction"
    PNDMScheduler().save_pretrained(path / "scheduler")
    write(SCHEDULER, b'{"_class_name": "PNDMScheduler"}')(path)
    edit(index, scheduler=["diffusers", "PNDMScheduler"])(path)
    assert inspect(path).prediction_type == "epsilon"
    FlowMatchEulerDiscreteScheduler().save_pretrained(path / "scheduler")
    edit(index, scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])(path)
    assert inspect(path).prediction_type == "flow_prediction"
    edit(SCHEDULER, prediction_type="dreams")(path)
    with pytest.raises(ModelError, match=r"prediction_type of FlowMatchEuler.* is 'dreams'"):
        inspect(path)


def test_old_name_of_the_transformer(copy: Copy) -> None:
    """A DiT saved under the class name that published checkpoints carry is the same model."""
    path = copy("class_conditional")
    before = inspect(path)
    edit("model_index.json", transformer=["diffusers", "Transformer2DModel"])(path)
    edit("transformer/config.json", _class_name="Transformer2DModel", norm_type="ada_norm_zero")(path)
    after = inspect(path)
    assert (after.parameters, after.classes) == (before.parameters, before.classes)
    assert type(DiTPipeline.from_pretrained(path).transformer).__name__ == "DiTTransformer2DModel"
