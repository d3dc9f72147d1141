"""Single-file checkpoints open to the model that they were made of."""

from __future__ import annotations

import pickle
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.core.errors import ModelError
from burnish.load import checkpoint as single_file
from burnish.load import inspect, open_model, reference_pipeline, resolve
from tests.load.damage import edit, overflow
from tests.load.original_names import checkpoint

SD, XL = "stable_diffusion", "stable_diffusion_xl"
KINDS = {"1": SD, "2": SD, "xl": XL}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _skeleton(model: Path, path: Path) -> Path:
    """A copy of a model directory without weights."""
    return Path(shutil.copytree(model, path, ignore=shutil.ignore_patterns("*.safetensors")))


@pytest.mark.parametrize("kind", KINDS)
def test_opens_to_the_model_it_was_made_of(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Every weight of every part is the one that was saved, and tokenizer and scheduler are the config's."""
    whole = models[KINDS[kind]]
    file = checkpoint(whole, tmp_path / "dream.safetensors", kind)
    config = _skeleton(whole, tmp_path / "config")
    ours, theirs = open_model(file, config=config), open_model(whole)
    parts = ("denoiser", "autoencoder", "text_encoder", "text_encoder_2")
    for part in (p for p in parts if getattr(theirs, p) is not None):
        found, expected = (getattr(m, part).state_dict() for m in (ours, theirs))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], value) for name, value in expected.items()), part
    assert ours.card.name == "dream"
    assert ours.card.licence == "unknown"
    assert ours.scheduler.config == theirs.scheduler.config
    assert ours.tokenizer is not None
    assert ours.tokenizer("red apple").input_ids == theirs.tokenizer("red apple").input_ids


def test_the_same_picture_as_from_single_file(models: dict[str, Path], tmp_path: Path) -> None:
    """The reference pipeline of a checkpoint draws what diffusers' from_single_file draws, bit for bit."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    stock = StableDiffusionPipeline.from_single_file(
        str(file), config=str(models[SD]), local_files_only=True, safety_checker=None
    )
    pictures = [
        pipeline(
            "red apple", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0)
        ).images
        for pipeline in (reference_pipeline(file, config=models[SD]), stock)
    ]
    assert np.array_equal(*pictures)


def test_a_directory_of_its_name_is_its_config(models: dict[str, Path], tmp_path: Path) -> None:
    """Where no config is named, the directory of its name beside the file is taken: the same card."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    named = inspect(file, config=_skeleton(models[SD], tmp_path / "dream"))
    assert inspect(resolve(file)) == named
    assert named.family == "stable-diffusion"


def test_converted_once(models: dict[str, Path], tmp_path: Path) -> None:
    """A second opening takes what the first one wrote; another config makes another model."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    config = _skeleton(models[SD], tmp_path / "config")
    first = open_model(file, config=config)
    written = {p: p.stat().st_mtime_ns for p in first.path.rglob("*.safetensors")}
    assert len(written) == 3
    assert open_model(file, config=config).path == first.path
    assert {p: p.stat().st_mtime_ns for p in written} == written
    edit("scheduler/scheduler_config.json", beta_end=0.013)(config)
    assert open_model(file, config=config).path != first.path


@pytest.mark.parametrize(
    "change",
    [("source_digest", lambda pattern: "other"), ("diffusers", SimpleNamespace(__version__="0"))],
    ids=["code", "diffusers"],
)
def test_other_code_converts_again(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, Any]
) -> None:
    """What one version converted is not what another one opens: its tables may be other ones."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    first = single_file.model_directory(file, models[SD])
    assert single_file.model_directory(file, models[SD]) == first
    monkeypatch.setattr(single_file, *change)
    assert single_file.model_directory(file, models[SD]) != first


def test_change_while_converting_is_refused(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that is written to after its digest was taken is refused, and nothing of it is kept."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")

    def swap(path: Path) -> dict[str, Tensor]:
        path.write_bytes(path.read_bytes())
        return load_file(path)

    monkeypatch.setattr(single_file, "load_file", swap)
    with pytest.raises(ModelError, match="changed while it was opened"):
        open_model(file, config=models[SD])
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_a_disk_without_room_is_said(models: dict[str, Path], tmp_path: Path) -> None:
    """Where the system takes no more bytes of the converted weights, its own words are said."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(ModelError, match=r"unet.*safetensors: File too large") as refusal:
            open_model(file, config=models[SD])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refusal.value.remedy == "Check rights and room"


def test_a_header_that_safetensors_refuses(models: dict[str, Path], tmp_path: Path) -> None:
    """A header that passes here and not in the library is refused by the name of the file."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    overflow(file.name)(tmp_path)
    with pytest.raises(ModelError, match=r"dream.safetensors: safetensors refuses it"):
        open_model(file, config=models[SD])


def _without(start: str) -> Callable[[dict[str, Tensor]], object]:
    def change(tensors: dict[str, Tensor]) -> None:
        for name in [n for n in tensors if n.startswith(start)]:
            tensors.pop(name)

    return change


INPUT, V_PRED = "model.diffusion_model.input_blocks.0.0.weight", torch.zeros(0)
EDITS: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "no text encoder": (_without("cond_stage_model"), "no whole checkpoint of Stable Diffusion 1, 2 or XL"),
    "no denoiser": (_without("model.diffusion_model"), "unet: the weights lack conv_in.weight"),
    "no autoencoder": (_without("first_stage_model"), "vae: the weights lack encoder.conv_in.weight"),
    "one layer less": (
        _without("model.diffusion_model.middle_block.0.in_layers.2"),
        "mid_block.resnets.0.conv1",
    ),
    "inpainting": (lambda t: t.update({INPUT: torch.zeros(16, 9, 3, 3)}), "conv_in.weight has shape"),
    "not a number": (lambda t: t[INPUT].fill_(float("nan")), "infinite or not a number"),
    "predicts v": (lambda t: t.update(v_pred=V_PRED), "predicts v, the scheduler in"),
}


@pytest.mark.parametrize("name", EDITS)
def test_damage_is_refused(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    """A checkpoint that is not whole, or not of its config's kind, is refused by what is wrong with it."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    tensors = load_file(file)
    EDITS[name][0](tensors)
    save_file(tensors, file)
    with pytest.raises(ModelError) as refusal:
        open_model(file, config=models[SD])
    assert EDITS[name][1] in str(refusal.value)
    assert refusal.value.remedy


def test_what_is_needed_is_said(models: dict[str, Path], tmp_path: Path) -> None:
    """Without configs, or with those of another kind, the refusal says which kind of model it is."""
    file = checkpoint(models[SD], tmp_path / "dream.safetensors", "1")
    needed = "Give config=DIR, a diffusers directory of Stable Diffusion 1"
    configs: dict[Any, str] = {
        None: "is Stable Diffusion 1 without configs and a tokenizer",
        tmp_path: "has no model_index.json",
        models[XL]: "is a StableDiffusionXLPipeline",
    }
    for config, words in configs.items():
        with pytest.raises(ModelError, match=needed) as refusal:
            open_model(file, config=config)
        assert words in str(refusal.value)


@pytest.mark.parametrize("name", ["dream.ckpt", "dream.pt", "dream.safetensors"])
def test_no_pickle_is_opened(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    """A pickle is refused by its name, or by its first bytes where its name lies."""
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.write_text, (marker, "ran")

    (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Bomb()}))
    with pytest.raises(ModelError, match=name):
        open_model(tmp_path / name, config=models[SD])
    assert not marker.exists()
