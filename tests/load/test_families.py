"""Stable Diffusion XL and 3, Flux and PixArt: what their cards say, what does not fit, how they are asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    PixArtSigmaPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
)
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from burnish.core.errors import ModelError
from burnish.load import check_directory, inspect, open_model, reference_pipeline, step_arguments
from burnish.load.config import check_limits
from burnish.load.fit import check_fit
from burnish.load.layouts import LAYOUTS
from burnish.load.sizes import settle
from tests import tiny_models
from tests.load.conftest import Copy
from tests.load.damage import Damage, both, edit, remove, write

XL, SD3, FLUX, ALPHA, SIGMA = (
    "stable_diffusion_xl",
    "stable_diffusion_3",
    "flux",
    "pixart_alpha",
    "pixart_sigma",
)
# Family, latents, picture, size multiple, tokens of each encoder, guidance, its scale, steps.
CARDS: dict[str, tuple[Any, ...]] = {
    XL: ("stable-diffusion-xl", (4, 8, 8), 32, 8, (16, 16, 0), "classifier-free", 5.0, 50),
    SD3: ("stable-diffusion-3", (8, 8, 8), 32, 8, (16, 16, 256), "classifier-free", 7.0, 28),
    FLUX: ("flux", (4, 128, 128), 512, 8, (16, 512, 0), "embedded", 3.5, 28),
    ALPHA: ("pixart", (4, 128, 128), 512, 8, (120, 0, 0), "classifier-free", 4.5, 20),
    SIGMA: ("pixart", (4, 8, 8), 32, 8, (300, 0, 0), "classifier-free", 4.5, 20),
}


@pytest.mark.parametrize("name", CARDS)
def test_card_says_how_the_pipeline_draws(models: dict[str, Path], name: str) -> None:
    """Shapes, tokens and guidance of each family are those that its pipeline takes by default."""
    card = inspect(models[name])
    tokens = (card.max_tokens, card.max_tokens_2, card.max_tokens_3)
    assert card.image_shape == (3, CARDS[name][2], CARDS[name][2])
    said = (card.family, card.latent_shape, card.image_shape[1], card.size_multiple, tokens)
    assert (*said, card.guidance, card.guidance_scale, card.num_inference_steps) == CARDS[name]
    assert card.empty_negative == ("zeros" if name == XL else "encoded")
    assert card.reads_text
    assert (card.prediction_type == "flow_prediction") == (name in (SD3, FLUX))


def test_scale_and_shift_are_the_autoencoders(models: dict[str, Path]) -> None:
    """A card has the scaling and the shift of its autoencoder's config."""
    card = inspect(models[FLUX])
    assert (card.scaling_factor, card.shift_factor) == (0.36, 0.12)


def test_negative_prompts_as_the_index_says(copy: Copy) -> None:
    """SDXL's empty negative prompt is encoded where the model's own index says so."""
    path = copy(XL)
    edit("model_index.json", force_zeros_for_empty_prompt=False)(path)
    assert inspect(path).empty_negative == "encoded"
    assert reference_pipeline(path).config.force_zeros_for_empty_prompt is False


def test_flux_without_guidance_has_none(tmp_path: Path) -> None:
    """A Flux that is told no guidance scale has one pass and nothing to set."""
    card = inspect(tiny_models.flux(tmp_path / FLUX, guidance_embeds=False))
    assert (card.guidance, card.guidance_scale) == ("none", 1.0)


def test_size_is_what_is_asked_for(models: dict[str, Path]) -> None:
    """A size sets latents and picture, and is another model by digest; one that does not fit is refused."""
    own, smaller = open_model(models[SIGMA]).card, open_model(models[SIGMA], size=24).card
    assert (smaller.latent_shape, smaller.image_shape) == ((4, 6, 6), (3, 24, 24))
    assert smaller.digest != own.digest
    for size in (20, 0, -8):
        with pytest.raises(ModelError, match=f"a size of {size} pixels is not divisible by 8"):
            open_model(models[SIGMA], size=size)
    with pytest.raises(ModelError, match="more than the 96 that the denoiser has positions for"):
        open_model(models[SD3], size=104)


STOCK: dict[str, Any] = {
    XL: StableDiffusionXLPipeline,
    SD3: StableDiffusion3Pipeline,
    FLUX: FluxPipeline,
    SIGMA: PixArtSigmaPipeline,
}


@pytest.mark.parametrize("name", STOCK)
def test_reference_is_the_stock_pipeline(models: dict[str, Path], name: str) -> None:
    """The reference makes the same picture as diffusers by itself, bit for bit."""
    asked: dict[str, Any] = {"height": 32, "width": 32, "num_inference_steps": 2, "output_type": "np"}
    asked |= {"use_resolution_binning": False} if name == SIGMA else {}
    pictures = [
        pipeline("Red apple", generator=torch.Generator().manual_seed(0), **asked).images
        for pipeline in (reference_pipeline(models[name]), STOCK[name].from_pretrained(models[name]))
    ]
    assert np.array_equal(*pictures)
    assert pictures[0].std() > 0.01


def test_stable_diffusion_3_opens_without_t5(tmp_path: Path) -> None:
    """The third encoder may be absent, with its tokenizer; one of them alone is refused."""
    path = tiny_models.stable_diffusion_3(tmp_path / SD3, t5=False)
    model = open_model(path)
    assert (model.text_encoder_3, model.tokenizer_3, model.card.max_tokens_3) == (None, None, 0)
    whole = tiny_models.stable_diffusion_3(tmp_path / "whole")
    edit("model_index.json", tokenizer_3=[None, None])(whole)
    with pytest.raises(ModelError, match="must both be there"):
        open_model(whole)


def test_pixart_reads_lower_case(models: dict[str, Path]) -> None:
    """PixArt's tokenizer sees a prompt as its pipelines do: lower-case, without spaces around it."""
    model = open_model(models[SIGMA])
    assert model.tokenizer is not None
    assert model.tokenizer("  Red APPLE ").input_ids == model.tokenizer("red apple").input_ids
    upper = open_model(models[FLUX]).tokenizer_2
    assert upper is not None
    assert upper("Red").input_ids != upper("red").input_ids


def test_what_stands_beside_a_tokenizer_is_not_read(copy: Copy) -> None:
    """A sentencepiece file may stand beside tokenizer.json, and whatever is in it changes nothing."""
    path = copy(SIGMA)
    before = open_model(path).tokenizer
    write("tokenizer/spiece.model", b"\x80\x04not a model")(path)
    after = open_model(path).tokenizer
    assert before is not None
    assert after is not None
    assert after("red apple").input_ids == before("red apple").input_ids


def test_a_scheduler_without_a_bound_opens(copy: Copy) -> None:
    """Minus infinity, which diffusers writes for one setting of schedulers, is read there alone."""
    path = copy(SIGMA)
    file = "scheduler/scheduler_config.json"
    assert "-Infinity" in (path / file).read_text()
    assert open_model(path).scheduler.config.lambda_min_clipped == -float("inf")
    tree = json.loads((path / file).read_text())
    (path / file).write_text(json.dumps(tree | {"solver_order": -float("inf")}))
    with pytest.raises(ModelError, match="solver_order is -Infinity"):
        inspect(path)


TRANSFORMER, UNET = "transformer/config.json", "unet/config.json"
NO_T5 = {"text_encoder_3": [None, None], "tokenizer_3": [None, None]}
FIT: dict[str, tuple[str, Damage, str]] = {
    "XL width": (
        XL,
        edit(UNET, cross_attention_dim=32),
        "cross_attention_dim is 32, the hidden_size of both",
    ),
    "XL sizes": (XL, edit(UNET, addition_time_embed_dim=16), "projection_class_embeddings_input_dim is 96"),
    "XL kind": (XL, edit(UNET, addition_embed_type="text"), "addition_embed_type 'text' asks"),
    "XL lengths": (
        XL,
        edit("tokenizer_2/tokenizer_config.json", model_max_length=12),
        "tokenizer_2 model_max_length is 12",
    ),
    "XL vocabulary": (XL, edit("text_encoder_2/config.json", vocab_size=100), "tokenizer_2 has 201 tokens"),
    "XL projection": (XL, edit("text_encoder_2/config.json", projection_dim="x"), "projection_dim is 'x'"),
    "XL channels": (XL, edit("vae/config.json", latents_mean=[0.0] * 4), "latents_mean scales each channel"),
    "SD3 joint": (SD3, edit(TRANSFORMER, joint_attention_dim=64), "joint_attention_dim is 64"),
    "SD3 joint without T5": (
        SD3,
        both(edit("model_index.json", **NO_T5), edit(TRANSFORMER, joint_attention_dim=None)),
        "joint_attention_dim is None",
    ),
    "SD3 pooled": (SD3, edit(TRANSFORMER, pooled_projection_dim=64), "pooled_projection_dim is 64"),
    "SD3 captions": (SD3, edit(TRANSFORMER, caption_projection_dim=48), "caption_projection_dim is 48"),
    "SD3 places": (SD3, edit(TRANSFORMER, pos_embed_max_size=3), "sample_size is 4 patches"),
    "SD3 weights": (
        SD3,
        edit(TRANSFORMER, attention_head_dim=24, caption_projection_dim=48),
        "pos_embed.proj.weight has shape",
    ),
    "Flux packing": (FLUX, edit(TRANSFORMER, in_channels=18), "in_channels is 18, not divisible by 4"),
    "Flux latents": (FLUX, edit(TRANSFORMER, in_channels=32), "channels of a latent is 8, vae latent"),
    "Flux rope": (FLUX, edit(TRANSFORMER, axes_dims_rope=[4, 4, 8]), "does not add up"),
    "Flux rope null": (FLUX, edit(TRANSFORMER, axes_dims_rope=[None, 6, 6]), "does not add up"),
    "Flux T5": (FLUX, edit("text_encoder_2/config.json", d_model=64), "joint_attention_dim is 32"),
    "Flux pooled": (FLUX, edit(TRANSFORMER, pooled_projection_dim=48), "pooled_projection_dim is 48"),
    "Flux patch": (FLUX, edit(TRANSFORMER, patch_size=2), "patch_size is 2"),
    "PixArt captions": (SIGMA, edit(TRANSFORMER, caption_channels=64), "caption_channels is 64"),
    "PixArt sizes": (SIGMA, edit(TRANSFORMER, use_additional_conditions=True), "asks for sizes"),
    "PixArt norm": (SIGMA, edit(TRANSFORMER, norm_type="ada_norm_zero"), "norm_type is 'ada_norm_zero'"),
    "PixArt T5": (SIGMA, edit("text_encoder/config.json", vocab_size=200), "shared.weight has shape"),
    "T5 layers": (FLUX, edit("text_encoder_2/config.json", num_layers=10**6), "num_layers is 1000000"),
    "no tokenizer.json": (
        SIGMA,
        both(
            remove("tokenizer/tokenizer.json"),
            write("tokenizer/vocab.json", b'{"a": 0}'),
            write("tokenizer/merges.txt", b"#version: 0.2\n"),
            write("tokenizer/spiece.model", b"\x80\x04not a model"),
        ),
        "tokenizer has no tokenizer.json",
    ),
}


@pytest.mark.parametrize("name", FIT)
def test_what_does_not_fit_is_refused(copy: Copy, name: str) -> None:
    """Each size that does not fit another is refused by its name, with what mends it."""
    model, damage, words = FIT[name]
    path = copy(model)
    damage(path)
    with pytest.raises(ModelError) as refusal:
        check_directory(path)
    assert words in str(refusal.value)
    assert refusal.value.remedy


def test_flux_asks_for_its_own_steps(models: dict[str, Path]) -> None:
    """Flux gives sigmas from 1 to 1/n and the shift that diffusers computes; other families give nothing."""
    model = open_model(models[FLUX], size=256)
    arguments = step_arguments(model.card, model.scheduler, 4)
    assert arguments["sigmas"] == [1.0, 0.75, 0.5, 0.25]
    assert arguments["mu"] == pytest.approx(calculate_shift(32 * 32))
    still = open_model(models[SD3])
    assert step_arguments(still.card, still.scheduler, 4) == {}
    assert step_arguments(open_model(models[XL]).card, open_model(models[XL]).scheduler, 4) == {}


NO_LINE: dict[str, dict[str, Any]] = {
    "one length": {"base_image_seq_len": 4096},
    "text": {"max_shift": "1.15"},
    "null": {"base_shift": None},
    "truth": {"base_shift": True},
    "huge": {"max_image_seq_len": 10**400},
}


@pytest.mark.parametrize("name", NO_LINE)
def test_a_shift_that_is_no_line_is_refused(models: dict[str, Path], name: str) -> None:
    """A scheduler whose two points make no line is refused by what they are."""
    config = json.loads((models[FLUX] / "scheduler/scheduler_config.json").read_text())
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(config | NO_LINE[name])
    with pytest.raises(ModelError, match=f"no shift by size from .*{next(iter(NO_LINE[name]))}") as refusal:
        step_arguments(inspect(models[FLUX]), scheduler, 4)
    assert refusal.value.remedy


CLIP_L = {"hidden_size": 768, "projection_dim": 768, "max_position_embeddings": 77, "vocab_size": 49408}
CLIP_G = CLIP_L | {"hidden_size": 1280, "projection_dim": 1280}
CLIP_H = CLIP_L | {"hidden_size": 1024, "projection_dim": 512}
T5_XXL = {"d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 32128}
CLIP_WORDS, T5_WORDS = {"vocab_size": 49408, "model_max_length": 77}, {"vocab_size": 32100}
FOUR = {"down_block_types": ["Down"] * 4, "up_block_types": ["Up"] * 4}
VAE = FOUR | {"block_out_channels": [128, 256, 512, 512], "scaling_factor": 0.18}
DEEP_VAE = VAE | {"latent_channels": 16, "shift_factor": 0.1159, "use_quant_conv": False}
UNET_1 = FOUR | {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768, "sample_size": 64}
THREE = {"down_block_types": ["Down"] * 3, "up_block_types": ["Up"] * 3}
UNET_XL = THREE | {
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "sample_size": 128,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "transformer_layers_per_block": [1, 2, 10],
}
PIXART = {"caption_channels": 4096, "sample_size": 128, "cross_attention_dim": 1152}
# The sizes of published models, as far as they differ from what their classes take by default.
PUBLISHED: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "Stable Diffusion 1.5": (
        "StableDiffusionPipeline",
        {"unet": UNET_1, "vae": VAE, "text_encoder": CLIP_L, "tokenizer": CLIP_WORDS},
    ),
    "Stable Diffusion 2.1": (
        "StableDiffusionPipeline",
        {
            "unet": UNET_1 | {"cross_attention_dim": 1024, "sample_size": 96},
            "vae": VAE,
            "text_encoder": CLIP_H,
            "tokenizer": CLIP_WORDS,
        },
    ),
    "SDXL base 1.0": (
        "StableDiffusionXLPipeline",
        {
            "unet": UNET_XL,
            "vae": VAE,
            "text_encoder": CLIP_L,
            "tokenizer": CLIP_WORDS,
            "text_encoder_2": CLIP_G,
            "tokenizer_2": CLIP_WORDS,
        },
    ),
    "Stable Diffusion 3 medium": (
        "StableDiffusion3Pipeline",
        {
            "transformer": {"num_attention_heads": 24, "num_layers": 24, "pos_embed_max_size": 192}
            | {"caption_projection_dim": 1536},
            "vae": DEEP_VAE,
            "text_encoder": CLIP_L,
            "tokenizer": CLIP_WORDS,
            "text_encoder_2": CLIP_G,
            "tokenizer_2": CLIP_WORDS,
            "text_encoder_3": T5_XXL,
            "tokenizer_3": T5_WORDS,
        },
    ),
    "FLUX.1": (
        "FluxPipeline",
        {
            "transformer": {"guidance_embeds": True},
            "vae": DEEP_VAE,
            "text_encoder": CLIP_L,
            "tokenizer": CLIP_WORDS,
            "text_encoder_2": T5_XXL,
            "tokenizer_2": T5_WORDS,
        },
    ),
    "PixArt alpha 1024": (
        "PixArtAlphaPipeline",
        {"transformer": PIXART, "vae": VAE, "text_encoder": T5_XXL, "tokenizer": T5_WORDS},
    ),
    "PixArt sigma 1024": (
        "PixArtSigmaPipeline",
        {
            "transformer": PIXART | {"use_additional_conditions": False, "interpolation_scale": 2},
            "vae": VAE,
            "text_encoder": T5_XXL,
            "tokenizer": T5_WORDS,
        },
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_fit(name: str) -> None:
    """The sizes that the published models of each family have are within limits and fit one another."""
    pipeline, configs = PUBLISHED[name]
    layout = LAYOUTS[pipeline]
    for part, config in configs.items():
        check_limits(config, part)
    classes = {part: (layout.parts[part].library, layout.parts[part].classes[0]) for part in configs}
    check_fit(layout, {part: settle(*classes[part], config) for part, config in configs.items()})
