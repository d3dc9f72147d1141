"""The models that peers are compared on, written as directories that every peer's libraries can read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from burnish.core.files import directory_aside
from burnish.load import resolve

PREFIX = "text_model."  # where older transformers look for a text encoder's weights; newer ones read both
WORDS = 49408  # tokens of Stable Diffusion's tokenizer


def write_icons(path: Path) -> None:
    """The embedded model, weight by weight, with its text encoder's names as published checkpoints have them.

    Without that, transformers before 5.6 starts it from random numbers, with a warning alone.
    """
    if path.exists():
        return
    with directory_aside(path) as aside:
        shutil.copytree(resolve("icons"), aside, dirs_exist_ok=True)
        weights = aside / "text_encoder" / "model.safetensors"
        named = {PREFIX + name.removeprefix(PREFIX): value for name, value in load_file(weights).items()}
        save_file(named, weights, metadata={"format": "pt"})


def write_sd15(path: Path) -> None:
    """Stable Diffusion 1.5's published shapes, seeded random weights in fp16: for speed, not pictures."""
    if path.exists():
        return
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from benchmarks.unet_call import unet

    torch.manual_seed(1)
    text = CLIPTextConfig(
        vocab_size=WORDS,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        projection_dim=768,
        bos_token_id=WORDS - 2,
        eos_token_id=WORDS - 1,
    )
    with directory_aside(path) as aside:
        _write_tokenizer(aside / "words")
        StableDiffusionPipeline(
            unet=unet(),
            vae=_autoencoder(AutoencoderKL),
            text_encoder=CLIPTextModel(text),
            tokenizer=CLIPTokenizer.from_pretrained(aside / "words", model_max_length=77),
            scheduler=DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).to(torch.float16).save_pretrained(aside)
        shutil.rmtree(aside / "words")
        weights = aside / "text_encoder" / "model.safetensors"
        named = {PREFIX + name.removeprefix(PREFIX): value for name, value in load_file(weights).items()}
        save_file(named, weights, metadata={"format": "pt"})


def _autoencoder(kind: type) -> object:
    return kind(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )


def _write_tokenizer(folder: Path) -> None:
    """As many tokens as the published one has; words are spelled in letters, which changes no cost."""
    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += [f"unused{k}" for k in range(WORDS - 2 - len(tokens))] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: k for k, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
