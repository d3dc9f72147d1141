"""Tiny random diffusers models, the same bytes every time: what tests open, compile and run.

Each maker writes a model directory of under 1 MB (32-pixel pictures) to `path` and returns `path`.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

MAX_TOKENS = 16
CLASSES = 1000  # the stock DiTPipeline takes class 1000 for "no class"
MERGES = (
    "r e",
    "re d</w>",
    "a p",
    "ap p",
    "l e</w>",
    "app le</w>",
    "h a",
    "ha t</w>",
    "b l",
    "bl u",
    "blu e</w>",
)
CARD = "---\nlicense: apache-2.0\nbase_model: burnish/tiny\ntags:\n- test\n---\n# Tiny\n"


def _tokenizer(folder: Path) -> CLIPTokenizer:
    letters = [chr(c) for c in range(33, 127)]
    tokens = [*letters, *(f"{c}</w>" for c in letters), *(m.replace(" ", "") for m in MERGES)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    return CLIPTokenizer(vocab=vocab, merges=[tuple(m.split()) for m in MERGES], model_max_length=MAX_TOKENS)


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=32,
    )


def _text_encoder(vocab_size: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocab_size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=vocab_size - 2,
            eos_token_id=vocab_size - 1,
            pad_token_id=vocab_size - 1,
        )
    )


def stable_diffusion(path: Path) -> Path:
    """Text to a 32-pixel picture: latents (4, 8, 8), autoencoder factor 4, 16 tokens, DDIM, epsilon."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(path / "tokenizer")
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 24),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=2,
        norm_num_groups=8,
    )
    StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(len(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(path, safe_serialization=True)
    (path / "README.md").write_text(CARD, encoding="utf-8")
    return path


def unconditional(path: Path) -> Path:
    """A 32-pixel picture (3, 32, 32) in pixel space: DDPMPipeline, epsilon."""
    torch.manual_seed(1)
    unet = UNet2DModel(
        sample_size=32,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        norm_num_groups=8,
    )
    DDPMPipeline(unet=unet, scheduler=DDPMScheduler()).save_pretrained(path, safe_serialization=True)
    return path


def class_conditional(path: Path) -> Path:
    """One of 1000 classes to a 32-pixel picture: DiT on latents (4, 8, 8), learned sigma, DDIM, epsilon."""
    torch.manual_seed(2)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        norm_num_groups=4,
        sample_size=8,
        patch_size=2,
        num_embeds_ada_norm=CLASSES,
    )
    DiTPipeline(transformer=transformer, vae=_autoencoder(), scheduler=DDIMScheduler()).save_pretrained(
        path, safe_serialization=True
    )
    return path
