"""What a verb opens: a model at another size, with adapters, or a checkpoint in one file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from burnish.api.models import inspect, load, store_of
from burnish.cli.options import read_source
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.model import ModelCard
from burnish.core.plan import Plan
from burnish.core.source import Source
from burnish.runtime import Pipeline
from tests.cli.conftest import Burnish
from tests.conftest import SD, Bundles, asked
from tests.load.original_names import checkpoint

JSON = "--json"
LAYER = "lora_unet_mid_block_resnets_0_conv1"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA of one convolution of the tiny UNet, strong enough to be seen."""
    random = torch.Generator().manual_seed(0)
    halves = {"down": (3, 24, 3, 3), "up": (24, 3, 1, 1)}
    tensors = {f"{LAYER}.lora_{h}.weight": torch.randn(s, generator=random) for h, s in halves.items()}
    path = tmp_path.parent / f"{tmp_path.name}-style.safetensors"
    save_file(tensors, path)
    return path


@pytest.mark.parametrize(
    ("size", "lora", "expected"),
    [
        (None, None, Source(model="m")),
        ("24", None, Source(model="m", size=24)),
        ("24x24", [], Source(model="m", size=24)),
        (None, ["a.safetensors:0.5"], Source(model="m", lora=(("a.safetensors", 0.5),))),
        (None, ["C:/a.safetensors"], Source(model="m", lora=(("C:/a.safetensors", 1.0),))),
        (None, ["a:-2", "b"], Source(model="m", lora=(("a", -2.0), ("b", 1.0)))),
    ],
)
def test_options_say_what_is_opened(size: str | None, lora: list[str] | None, expected: Source) -> None:
    """One side or two equal ones; the number behind the last colon of a LoRA is its weight, 1 without one."""
    assert read_source("m", size, lora, None) == expected


def test_a_colon_of_a_file_that_is_there_is_its_own(tmp_path: Path) -> None:
    """A file whose name ends as a weight would is that file, at weight 1."""
    file = tmp_path / "style:2"
    file.write_bytes(b"")
    assert read_source("m", None, [str(file)], None).lora == ((str(file), 1.0),)


def test_each_source_is_a_model_of_its_own(unclipped_models: dict[str, Path], adapter: Path) -> None:
    """Size, adapter and its weight each change the digest, which is the opened model's, and the store."""
    model = unclipped_models[SD]
    sources = [
        Source(model=model),
        Source(model=model, size=24),
        Source(model=model, lora=((adapter, 0.5),)),
        Source(model=model, lora=((adapter, 0.25),)),
        Source(model=model, size=24, lora=((adapter, 0.5),)),
    ]
    cards = [inspect(source) for source in sources]
    assert len({card.digest for card in cards}) == len(sources)
    assert len({store_of(source).root for source in sources}) == len(sources)
    assert cards == [load(source).card for source in sources]
    assert inspect(model) == cards[0]


def test_inspect_shows_size_and_adapter(
    burnish: Burnish, unclipped_models: dict[str, Path], adapter: Path
) -> None:
    """The card has the size that was asked for and each adapter with its weight; the table names both."""
    rest = ("--size", "24x24", "--lora", f"{adapter}:0.5")
    code, out, err = burnish("inspect", unclipped_models[SD], *rest, JSON)
    assert (code, err) == (0, "")
    card = ModelCard.model_validate(json.loads(out))
    assert card.image_shape == (3, 24, 24)
    assert [(a.name, a.weight) for a in card.adapters] == [(adapter.name, 0.5)]
    _, table, _ = burnish("inspect", unclipped_models[SD], *rest)
    assert "3 x 24 x 24" in table
    assert f"adapter {adapter.name}" in table


def test_inspect_opens_a_checkpoint(
    burnish: Burnish, unclipped_models: dict[str, Path], tmp_path: Path
) -> None:
    """With --config a file is a model; without, or beside a directory, that is one line and code 2."""
    whole = unclipped_models[SD]
    file = checkpoint(whole, tmp_path / "dream.safetensors", "1")
    config = shutil.copytree(whole, tmp_path / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    code, out, _ = burnish("inspect", file, "--config", config, JSON)
    card = ModelCard.model_validate(json.loads(out))
    assert (code, card.name, card.family) == (0, "dream", "stable-diffusion")
    assert card.parameters == inspect(whole).parameters
    code, out, err = burnish("inspect", file)
    assert (code, out) == (2, "")
    assert "dream.safetensors" in err
    code, out, err = burnish("inspect", whole, "--config", config)
    assert (code, out) == (2, "")
    assert "has configs of its own" in err


def test_a_plan_is_built_of_what_was_asked_for(
    burnish: Burnish, unclipped_models: dict[str, Path], adapter: Path, tmp_path: Path
) -> None:
    """The bundle is of the model at that size with that adapter, and draws another picture than without."""
    Plan(num_inference_steps=2).save(tmp_path / "plan.json")
    pictures = []
    for k, rest in enumerate([(), ("--lora", adapter)]):
        code, _, err = burnish(
            "optimize", unclipped_models[SD], "--size", 24, *rest, "--plan", "plan.json", "-o", f"b{k}"
        )
        assert code == 0, err
        assert "--size 24" in err  # in what to ask next
        pictures.append(Pipeline(tmp_path / f"b{k}").generate(asked(SD)))
    found = Bundle.read(tmp_path / "b1" / MANIFEST).model
    assert found == inspect(Source(model=unclipped_models[SD], size=24, lora=((adapter, 1.0),)))
    assert pictures[0].shape == (1, 24, 24, 3)
    assert not np.array_equal(*pictures)


def test_an_original_that_is_not_as_published_is_measured_as_a_bundle(
    burnish: Burnish, unclipped_models: dict[str, Path], tmp_path: Path
) -> None:
    """`measure --against MODEL --size` measures that model's fp32 bundle, and says so."""
    model = unclipped_models[SD]
    Plan(num_inference_steps=2).save(tmp_path / "plan.json")
    burnish("optimize", model, "--size", 24, "--plan", "plan.json", "-o", "made")
    code, out, err = burnish("measure", "made", "--against", model, "--size", 24, JSON)
    assert (code, err) == (0, "")
    rows = json.loads(out)["costs"]
    assert [row["name"] for row in rows] == ["made", f"{model} --size 24, fp32 bundle"]
    reference = store_of(Source(model=model, size=24)).root / "reference"
    assert rows[1]["bundle"] == Bundle.read(reference / MANIFEST).identity


REFUSED = {
    "no size": (("--size", "big"), "'big' is no size"),
    "not square": (("--size", "24x32"), "a model is opened at a square size, and 24x32 is none"),
    "not divisible": (("--size", "20"), "a size of 20 pixels is not divisible by 8"),
    "no adapter": (("--lora", "nowhere.safetensors:0.5"), "nowhere.safetensors is not a safetensors file"),
    "a weight that is none": (("--lora", "a.safetensors:nan"), "the weight of a.safetensors is nan"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("verb", ["inspect", "optimize"])
def test_what_cannot_be_opened_is_refused(
    verb: str, name: str, burnish: Burnish, unclipped_models: dict[str, Path], tmp_path: Path
) -> None:
    """One line, code 2, and nothing written."""
    options, words = REFUSED[name]
    code, out, err = burnish(verb, unclipped_models[SD], *options)
    assert (code, out) == (2, "")
    assert words in err
    assert not list(tmp_path.iterdir())


def test_a_bundle_is_not_opened_at_another_size(burnish: Burnish, bundle: Bundles) -> None:
    """--size beside a bundle, or beside nothing that is opened, is refused."""
    for rest, words in (
        (("--against", bundle(SD)), "is a bundle, whose size and adapters are in it"),
        ((), "say what --against opens"),
    ):
        code, out, err = burnish("measure", bundle(SD), *rest, "--size", 24)
        assert (code, out) == (2, "")
        assert words in err
