"""A checked directory as live modules, and as the stock pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline, DiTPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from burnish.core.errors import ModelError
from burnish.load import components, open_model, reference_pipeline, resolve
from tests.load.conftest import Copy
from tests.load.damage import UNET, edit, header, shard

STOCK: dict[str, tuple[Any, dict[str, Any]]] = {
    "stable_diffusion": (StableDiffusionPipeline, {"prompt": "red apple", "guidance_scale": 5.0}),
    "unconditional": (DDPMPipeline, {}),
    "class_conditional": (DiTPipeline, {"class_labels": [3]}),
}
PARTS = {
    "stable_diffusion": ("text_encoder", "autoencoder", "tokenizer"),
    "unconditional": (),
    "class_conditional": ("autoencoder",),
}


@pytest.mark.parametrize("name", STOCK)
def test_parts_are_ready_to_compile(models: dict[str, Path], name: str) -> None:
    """Each family opens with the parts it has, in float32, in eval mode and without gradients."""
    model = open_model(models[name])
    there = tuple(p for p in ("text_encoder", "autoencoder", "tokenizer") if getattr(model, p) is not None)
    assert there == PARTS[name]
    for module in filter(None, (model.denoiser, model.text_encoder, model.autoencoder)):
        assert not module.training
        assert {p.dtype for p in module.parameters()} == {torch.float32}
        assert not any(p.requires_grad for p in module.parameters())
    assert type(model.scheduler).__name__ == model.card.scheduler
    assert model.null_class == (1000 if name == "class_conditional" else None)


@pytest.mark.parametrize("name", STOCK)
def test_reference_is_the_stock_pipeline(models: dict[str, Path], name: str, capfd: Any) -> None:
    """The reference makes the same picture as diffusers by itself, bit for bit, and shows no progress."""
    pipeline, arguments = STOCK[name]
    stock = pipeline.from_pretrained(models[name])
    capfd.readouterr()
    reference = reference_pipeline(models[name])
    pictures = [
        p(
            **arguments, num_inference_steps=3, output_type="np", generator=torch.Generator().manual_seed(0)
        ).images
        for p in (reference, stock)
    ]
    assert type(reference) is pipeline
    assert np.array_equal(*pictures)
    stock_bar = capfd.readouterr().err
    reference(**arguments, num_inference_steps=1, output_type="np")
    assert "it/s" in stock_bar
    assert "it/s" not in capfd.readouterr().err


def test_half_precision_opens_as_float32(copy: Copy) -> None:
    """Weights in half precision become float32 with the same values."""
    path = copy("stable_diffusion")
    half = UNet2DConditionModel.from_pretrained(path / "unet", torch_dtype=torch.float16)
    half.save_pretrained(path / "unet")
    opened = open_model(path).denoiser.state_dict()
    assert all(torch.equal(opened[k], v.float()) for k, v in half.state_dict().items())
    assert {v.dtype for v in opened.values()} == {torch.float32}


def test_shards_open_as_the_whole(copy: Copy) -> None:
    """Weights in two files open to the same numbers as in one."""
    path = copy("stable_diffusion")
    whole = open_model(path).denoiser.state_dict()
    shard()(path)
    split = open_model(path).denoiser.state_dict()
    assert all(torch.equal(whole[k], split[k]) for k in whole)


OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def test_names_of_older_checkpoints(copy: Copy) -> None:
    """The names that Stable Diffusion 1.5 gives attention and text encoder open to the same model."""
    path = copy("stable_diffusion")
    before = open_model(path)
    vae, text = path / "vae/diffusion_pytorch_model.safetensors", path / "text_encoder/model.safetensors"
    tensors = load_file(vae)
    for new, old in OLD_NAMES.items():
        tensors = {k.replace(f".{new}.", f".{old}."): v for k, v in tensors.items()}
    assert any(".proj_attn." in k for k in tensors)
    save_file(tensors, vae, metadata={"format": "pt"})
    prefixed = {f"text_model.{k.removeprefix('text_model.')}": v for k, v in load_file(text).items()}
    prefixed["text_model.embeddings.position_ids"] = torch.arange(16)[None]
    save_file(prefixed, text, metadata={"format": "pt"})
    after = open_model(path)
    for part in ("autoencoder", "text_encoder"):
        old_state, new_state = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        assert all(torch.equal(v, new_state[k]) for k, v in old_state.items())


def _rename(tree: dict[str, Any]) -> None:
    tree["mid_block.other.weight"] = tree.pop("mid_block.resnets.0.conv1.weight")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (header(_rename), "unet: the weights have missing keys.*mid_block.resnets.0.conv1.weight"),
        (edit("unet/config.json", layers_per_block=2), "unet: .*"),
        (edit("vae/config.json", block_out_channels=[8, 16, 16]), "vae: .*"),
        (edit("text_encoder/config.json", num_hidden_layers=1), "text_encoder: .*unexpected"),
        (edit("text_encoder/config.json", intermediate_size=96), "text_encoder: .*"),
        (edit("unet/config.json", down_block_types=["Down", "Block"]), "unet: UNet2DConditionModel cannot"),
        (edit("text_encoder/config.json", num_attention_heads=3), "text_encoder: CLIPTextModel cannot"),
        (edit("text_encoder/config.json", projection_dim="x"), "text_encoder: CLIPTextModel cannot"),
        (edit("scheduler/scheduler_config.json", beta_schedule="dreams"), "scheduler: DDIMScheduler cannot"),
        (edit("tokenizer/tokenizer.json", model={"type": "Dreams", "vocab": {}}), "tokenizer: CLIPTokenizer"),
    ],
    ids=[
        "renamed",
        "deeper",
        "wider",
        "shallower",
        "inner",
        "unknown block",
        "heads",
        "padding",
        "betas",
        "tokenizer",
    ],
)
def test_weights_that_do_not_fill_the_model(copy: Copy, damage: Any, words: str) -> None:
    """A config that asks for other layers than the weights hold is refused by the part's name."""
    path = copy("stable_diffusion")
    damage(path)
    with pytest.raises(ModelError, match=words) as refusal:
        open_model(path)
    assert refusal.value.remedy


@pytest.mark.parametrize("token", ["eos_token", "pad_token"])
def test_tokens_that_the_encoder_does_not_know(copy: Copy, token: str) -> None:
    """A token that a tokenizer adds by itself, beyond what its text encoder has rows for, is refused."""
    path = copy("stable_diffusion")
    edit("tokenizer/tokenizer_config.json", **{token: "<new>"})(path)
    with pytest.raises(ModelError, match="202 tokens with those that it adds, its text encoder knows 201"):
        open_model(path)


def test_change_while_opening_is_refused(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file swapped between the check and the end of opening is noticed."""
    path = copy("unconditional")
    scheduler = components._scheduler

    def swap(checked: Any) -> Any:
        (path / UNET).write_bytes((path / UNET).read_bytes())
        return scheduler(checked)

    monkeypatch.setattr(components, "_scheduler", swap)
    with pytest.raises(ModelError, match="changed while it was opened"):
        open_model(path)


def test_directory_resolves_to_itself(models: dict[str, Path]) -> None:
    """The path of a directory is what it says."""
    assert resolve(str(models["unconditional"])) == models["unconditional"]


def test_unknown_name_lists_the_embedded_models(tmp_path: Path) -> None:
    """A name that is neither a directory nor an embedded model is refused with the names there are."""
    with pytest.raises(ModelError, match=r"neither a directory nor an embedded model.*icons"):
        resolve(tmp_path / "nothing")


def test_icons_is_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`icons` is the package's own directory, whatever stands in the working directory, or is missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "icons").mkdir()
    monkeypatch.setattr(components, "files", lambda package: tmp_path / package)
    with pytest.raises(ModelError, match="icons is not part of this installation"):
        resolve("icons")
    embedded = tmp_path / "burnish" / "models" / "icons"
    embedded.mkdir(parents=True)
    (embedded / "model_index.json").write_text("{}", encoding="utf-8")
    assert resolve("icons") == embedded
