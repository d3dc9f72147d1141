"""Tiny random diffusers models, the same bytes every time: what tests open, compile and run.

Each maker writes a model directory of under 1 MB (32-pixel pictures) to `path` and returns `path`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

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
_NO_QUANT = {"use_quant_conv": False, "use_post_quant_conv": False}  # as newer autoencoders have it
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CARD = "---\nlicense: apache-2.0\nbase_model: burnish/tiny\ntags:\n- test\n---\n# Tiny\n"


def _tokenizer(folder: Path, pad: str = "<|endoftext|>") -> CLIPTokenizer:
    letters = [chr(c) for c in range(33, 127)]
    tokens = [*letters, *(f"{c}</w>" for c in letters), *(m.replace(" ", "") for m in MERGES)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n", encoding="utf-8")
    merges = [tuple(m.split()) for m in MERGES]
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=MAX_TOKENS, pad_token=pad)


def _two_tokenizers(path: Path) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    return _tokenizer(path / "tokenizer"), _tokenizer(path / "tokenizer_2", pad="!")


def _t5_tokenizer() -> T5Tokenizer:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    words = [("\u2581red", -1.0), ("\u2581apple", -1.0), ("\u2581blue", -1.0)]
    letters = [(chr(c), -5.0) for c in range(33, 127)]
    return T5Tokenizer(vocab=[*special, *words, *letters], extra_ids=0, model_max_length=512)


def _unet(**changes: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 24),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=8,
        **changes,
    )


def _autoencoder(latent_channels: int = 4, **changes: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=latent_channels,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=32,
        **changes,
    )


def _text_config(tokenizer: CLIPTokenizer, width: int = 32, **changes: Any) -> CLIPTextConfig:
    vocab_size = len(tokenizer)
    return CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=vocab_size - 2,
        eos_token_id=vocab_size - 1,
        pad_token_id=vocab_size - 1,
        **changes,
    )


def _text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(_text_config(tokenizer))


def _projected(tokenizer: CLIPTokenizer, width: int, projection: int) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(_text_config(tokenizer, width, projection_dim=projection))


def _t5(tokenizer: T5Tokenizer, width: int) -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_ff=64,
        d_kv=8,
        num_heads=4,
        num_layers=2,
        feed_forward_proj="gated-gelu",
    )
    return _shaken(T5EncoderModel(config))


def _shaken(module: Any) -> Any:
    """Weights that tell inputs apart: what starts at zero or near it would hide an input that is lost."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return module


def _saved(pipeline: Any, path: Path) -> Path:
    pipeline.save_pretrained(path, safe_serialization=True)
    (path / "README.md").write_text(CARD, encoding="utf-8")
    return path


def stable_diffusion(path: Path) -> Path:
    """Text to a 32-pixel picture: latents (4, 8, 8), autoencoder factor 4, 16 tokens, DDIM, epsilon."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(path / "tokenizer")
    unet = _unet(cross_attention_dim=32, attention_head_dim=2)
    pipeline = StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**_BETAS, clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _saved(pipeline, path)


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


def stable_diffusion_xl(path: Path) -> Path:
    """Text by two encoders (32 and 48 wide) and sizes to a 32-pixel picture: latents (4, 8, 8), Euler."""
    torch.manual_seed(3)
    first, second = _two_tokenizers(path)
    unet = _unet(
        cross_attention_dim=80,
        attention_head_dim=(1, 2),
        transformer_layers_per_block=(1, 2),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=48 + 6 * 8,
    )
    pipeline = StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(first),
        tokenizer=first,
        text_encoder_2=_projected(second, 48, 48),
        tokenizer_2=second,
        unet=_shaken(unet),
        scheduler=EulerDiscreteScheduler(**_BETAS, steps_offset=1),
        add_watermarker=False,
    )
    return _saved(pipeline, path)


def _pixart(pipeline: Any, path: Path, seed: int, **changes: Any) -> Path:
    torch.manual_seed(seed)
    tokenizer = _t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=24,
        patch_size=2,
        caption_channels=32,
        **changes,
    )
    parts = {
        "tokenizer": tokenizer,
        "text_encoder": _t5(tokenizer, 32),
        "vae": _autoencoder(),
        "transformer": _shaken(transformer),
        "scheduler": DPMSolverMultistepScheduler(),
    }
    return _saved(pipeline(**parts), path)


def pixart_alpha(path: Path) -> Path:
    """Text by T5 and sizes to a 512-pixel picture: latents (4, 128, 128), learned sigma; open it smaller."""
    return _pixart(PixArtAlphaPipeline, path, 4, sample_size=128)


def pixart_sigma(path: Path) -> Path:
    """Text by T5 to a 32-pixel picture: latents (4, 8, 8), learned sigma, DPM-Solver++."""
    return _pixart(PixArtSigmaPipeline, path, 5, sample_size=8)


def stable_diffusion_3(path: Path, *, t5: bool = True) -> Path:
    """Text by two CLIPs and, with `t5`, a T5 to a 32-pixel picture: latents (8, 8, 8), flow matching."""
    torch.manual_seed(6)
    first, second = _two_tokenizers(path)
    third = _t5_tokenizer() if t5 else None
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=8,
        out_channels=8,
        num_layers=2,
        attention_head_dim=12,
        num_attention_heads=2,
        joint_attention_dim=96,
        caption_projection_dim=24,
        pooled_projection_dim=72,
        pos_embed_max_size=12,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    pipeline = StableDiffusion3Pipeline(
        transformer=_shaken(transformer),
        vae=_autoencoder(8, scaling_factor=1.5, shift_factor=0.06, **_NO_QUANT),
        text_encoder=_projected(first, 32, 32),
        tokenizer=first,
        text_encoder_2=_projected(second, 48, 40),
        tokenizer_2=second,
        text_encoder_3=None if third is None else _t5(third, 96),
        tokenizer_3=third,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    return _saved(pipeline, path)


def flux(path: Path, *, guidance_embeds: bool = True) -> Path:
    """Text by CLIP and T5 to a 512-pixel picture: latents (4, 128, 128), flow matching; open it smaller."""
    torch.manual_seed(7)
    first = _tokenizer(path / "tokenizer")
    second = _t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=12,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 4),
    )
    pipeline = FluxPipeline(
        transformer=_shaken(transformer),
        vae=_autoencoder(4, scaling_factor=0.36, shift_factor=0.12, **_NO_QUANT),
        text_encoder=_text_encoder(first),
        tokenizer=first,
        text_encoder_2=_t5(second, 32),
        tokenizer_2=second,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
    )
    return _saved(pipeline, path)
