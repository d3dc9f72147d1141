"""Captured modules, joined by their wires and run by a scheduler, draw what the diffusers pipeline draws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino as ov
import pytest
import torch
from torch import Tensor

from burnish.graphs import captures, compare, lower
from burnish.graphs.capture import Wires
from burnish.load import OpenedModel, open_model, reference_pipeline, step_arguments
from tests import tiny_models

PROMPT, NEGATIVE = " A Red apple", "blue hat"
STEPS, SIDE = 3, 32
# Family, then the sides at which its model is opened (None: its own) and what else the pipeline is told.
FAMILIES: dict[str, tuple[int | None, dict[str, Any]]] = {
    "stable_diffusion_xl": (None, {}),
    "pixart_sigma": (None, {"use_resolution_binning": False, "clean_caption": False}),
    "pixart_alpha": (SIDE, {"use_resolution_binning": False, "clean_caption": False}),
    "stable_diffusion_3": (None, {}),
    "stable_diffusion_3_without_t5": (None, {}),
    "flux": (SIDE, {}),
    "flux_without_guidance": (SIDE, {}),
}
MAKERS: dict[str, Callable[[Path], Path]] = {
    "stable_diffusion_3_without_t5": lambda path: tiny_models.stable_diffusion_3(path, t5=False),
    "flux_without_guidance": lambda path: tiny_models.flux(path, guidance_embeds=False),
}
# Sines of up to 5500 radians, where float32 numbers are 5e-4 apart; everywhere else rounding is less.
LIMITS = {"guidance_proj": 1e-4}
Opened = Callable[[str], tuple[Path, OpenedModel]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """A tiny model of a family and its directory, made once."""
    made: dict[str, tuple[Path, OpenedModel]] = {}

    def of(name: str) -> tuple[Path, OpenedModel]:
        if name not in made:
            path = tmp_path_factory.mktemp("families") / name
            make = MAKERS.get(name) or getattr(tiny_models, name)
            made[name] = path, open_model(make(path), size=FAMILIES[name][0])
        return made[name]

    return of


def _asked(model: OpenedModel, text: str | None) -> Wires:
    """What a request gives for one pass, `text` None for no negative prompt."""
    card = model.card
    height, width = (float(side) for side in card.image_shape[1:])
    found: Wires = {
        "time_ids": torch.tensor([[height, width, 0.0, 0.0, height, width]]),
        "resolution": torch.tensor([[height, width]]),
        "aspect_ratio": torch.tensor([[height / width]]),
        "guidance": torch.tensor([card.guidance_scale]),
    }
    for suffix in ("", "_2", "_3"):
        length = getattr(card, f"max_tokens{suffix}")
        if length:
            encoded = getattr(model, f"tokenizer{suffix}")(
                text or "", padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            )
            found[f"input_ids{suffix}"] = encoded.input_ids
            found[f"attention_mask{suffix}"] = encoded.attention_mask
    return found


def _condition(model: OpenedModel, text: str | None) -> Wires:
    """What the denoiser is told in one pass, by the captured modules."""
    wires = _asked(model, text)
    for capture in captures(model)[1:]:
        if capture.role not in ("time_proj", "decoder", "image_encoder"):
            wires |= capture.reference({name: wires[name] for name in capture.examples})
    if text is None and model.card.empty_negative == "zeros":
        wires |= {name: torch.zeros_like(wires[name]) for name in ("condition", "pooled")}
    return wires


@torch.no_grad()
def _draw(model: OpenedModel, latents: Tensor, negative: str | None) -> Tensor:
    """Latents drawn with the captured modules and the model's own scheduler."""
    denoiser, time_proj = captures(model)[:2]
    passes = [(1.0, _condition(model, PROMPT))]
    if model.card.guidance == "classifier-free":
        scale = model.card.guidance_scale
        passes = [(scale, passes[0][1]), (1.0 - scale, _condition(model, negative))]
    scheduler = model.scheduler
    scheduler.set_timesteps(STEPS, **step_arguments(model.card, scheduler, STEPS))
    x = latents * getattr(scheduler, "init_noise_sigma", 1.0)
    for t in scheduler.timesteps:
        state = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        own = {"sample": state, **time_proj.reference({"timestep": t.float().reshape(1)})}
        outputs = [
            (weight, denoiser.reference({name: (wires | own)[name] for name in denoiser.examples}))
            for weight, wires in passes
        ]
        output = sum(weight * out["output"] for weight, out in outputs)
        x = scheduler.step(output, t, x, return_dict=False)[0]
    return x


def _pipeline(name: str, path: Path, latents: Tensor, negative: str | None) -> Tensor:
    """Latents drawn by the stock pipeline with its own defaults."""
    pipeline = reference_pipeline(path)
    extra = dict(FAMILIES[name][1])
    packs = hasattr(pipeline, "_pack_latents")
    if packs:
        latents = pipeline._pack_latents(latents, *latents.shape)
    elif not (negative is None and "pixart" in name):
        extra["negative_prompt"] = negative
    drawn = pipeline(
        PROMPT,
        height=SIDE,
        width=SIDE,
        num_inference_steps=STEPS,
        latents=latents,
        output_type="latent",
        **extra,
    ).images
    return pipeline._unpack_latents(drawn, SIDE, SIDE, pipeline.vae_scale_factor) if packs else drawn


@pytest.mark.parametrize("negative", [None, NEGATIVE], ids=["no negative prompt", "negative prompt"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_latents_as_the_pipeline(name: str, negative: str | None, opened: Opened) -> None:
    """With its defaults, a pipeline and the captured modules draw the same latents, to 1e-4 of their size."""
    path, model = opened(name)
    latents = torch.randn(1, *model.card.latent_shape, generator=torch.Generator().manual_seed(3))
    ours, theirs = _draw(model, latents, negative), _pipeline(name, path, latents, negative)
    assert theirs.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_graph_is_its_module(name: str, opened: Opened) -> None:
    """Every lowered graph has its capture's ports by name, an open batch, and PyTorch's outputs."""
    for capture in captures(opened(name)[1]):
        if "without" in name and capture.role not in ("denoiser", "condition"):
            continue  # those of the whole family
        model = lower(capture)
        assert [port.get_any_name() for port in model.inputs] == list(capture.examples), capture.role
        assert [port.get_any_name() for port in model.outputs] == list(capture.outputs), capture.role
        assert all(port.get_partial_shape()[0].is_dynamic for port in model.inputs)
        assert compare(capture, (model, "f32")).relative_error < LIMITS.get(capture.role, 1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_denoiser_hears_every_input(name: str, opened: Opened) -> None:
    """Another value of any input of the denoiser gives another output: none is lost on the way."""
    denoiser = captures(opened(name)[1])[0]
    whole = denoiser.reference()["output"]
    for wire, value in denoiser.examples.items():
        other = 1 - value if wire == "attention_mask" else value.flip(-1)
        changed = denoiser.reference(denoiser.examples | {wire: other})["output"]
        assert (changed - whole).norm() > 1e-3 * whole.norm(), wire


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("stable_diffusion_xl", ".up_blocks.1."),
        ("pixart_sigma", ".transformer_blocks.1."),
        ("stable_diffusion_3", ".transformer_blocks.1."),
        ("flux", ".single_transformer_blocks.1."),
    ],
)
def test_nodes_keep_the_names_of_their_layers(name: str, layer: str, opened: Opened) -> None:
    """A lowered denoiser's nodes say which block they come from: a denoiser is cut between blocks."""
    model: ov.Model = lower(captures(opened(name)[1])[0])
    assert any(layer in node.get_friendly_name() for node in model.get_ordered_ops())
