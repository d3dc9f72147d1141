"""Captures each component of an opened model as one OpenVINO graph with named inputs, batch first.

Batch is dynamic in the file, as are height and width where the component allows it; the runtime makes
every shape static before it compiles.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino as ov
import torch
from diffusers.models.embeddings import Timesteps
from torch import Tensor, nn

from burnish.core.bundle import Role
from burnish.graphs.normalization import decompose_group_norms
from burnish.load import OpenedModel

LITTLE_ROOM = 16 << 20  # bytes; a graph's file is cut off when less than one more write is left


class TextEncoder(nn.Module):
    """Token ids (b, tokens) to hidden states (b, tokens, width)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        """The last hidden state, after the final layer norm, as Stable Diffusion uses it."""
        return self.model(input_ids).last_hidden_state


def time_projections(model: nn.Module) -> list[Timesteps]:
    """Where a denoiser projects the timestep on sines; a transformer does it again in every block."""
    return [module for module in model.modules() if isinstance(module, Timesteps)]


class TimeProjection(nn.Module):
    """Timesteps to the sines and cosines that the denoiser embeds.

    A graph of its own, always in fp32: bf16 has no number between 256 and 258, so a denoiser in bf16 would
    be told another time than the one meant.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.projection = time_projections(model)[0]

    def forward(self, timestep: Tensor) -> Tensor:
        """(b,) -> (b, width), in [-1, 1]."""
        return self.projection(timestep)


@contextmanager
def _projected(model: nn.Module, time_proj: Tensor) -> Iterator[Tensor]:
    """Within it `model` embeds `time_proj`, whatever timestep it is given, as is the one yielded."""
    hooks = [m.register_forward_hook(lambda *_: time_proj) for m in time_projections(model)]
    try:
        yield time_proj[:, 0]
    finally:
        for hook in hooks:
            hook.remove()


class ConditionalDenoiser(nn.Module):
    """UNet2DConditionModel: state, projected time, text states to the predicted output."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, sample: Tensor, time_proj: Tensor, condition: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width), (b, tokens, width) -> (b, c, h, w)."""
        with _projected(self.model, time_proj) as timestep:
            return self.model(sample, timestep, encoder_hidden_states=condition, return_dict=False)[0]


class ClassDenoiser(nn.Module):
    """DiTTransformer2DModel: state, projected time, class label; a learned variance is cut off."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        config: Any = model.config
        self.channels = int(config.in_channels)

    def forward(self, sample: Tensor, time_proj: Tensor, condition: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width), (b,) -> (b, c, h, w)."""
        with _projected(self.model, time_proj) as timestep:
            out = self.model(sample, timestep=timestep, class_labels=condition, return_dict=False)[0]
        return out[:, : self.channels]


class PlainDenoiser(nn.Module):
    """UNet2DModel: state and projected time."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, sample: Tensor, time_proj: Tensor) -> Tensor:
        """(b, c, h, w), (b, time width) -> (b, c, h, w)."""
        with _projected(self.model, time_proj) as timestep:
            return self.model(sample, timestep, return_dict=False)[0]


class Decoder(nn.Module):
    """Unscaled latents to pixels in [-1, 1]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, sample: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, 3, H, W)."""
        model: Any = self.model
        return model.decode(sample, return_dict=False)[0]


class ImageEncoder(nn.Module):
    """Pixels in [-1, 1] to unscaled latents: the mode of the posterior."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 3, H, W) -> (b, c, h, w)."""
        model: Any = self.model
        return model.encode(sample).latent_dist.mode()


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What to capture: a wrapped component with example inputs, and which of their axes may vary."""

    role: Role
    module: nn.Module
    examples: dict[str, Tensor]
    dynamic: dict[str, tuple[int, ...]]
    others: dict[str, Tensor] | None = None  # what parity is checked on besides the examples

    @torch.no_grad()
    def reference(self, inputs: dict[str, Tensor] | None = None) -> Tensor:
        """PyTorch's output on `inputs`, or on the examples."""
        return self.module(*(inputs or self.examples).values())

    @property
    def unseen(self) -> dict[str, Tensor]:
        """Inputs that tracing did not see: `others`, or one more in the batch and other numbers."""
        if self.others is not None:
            return self.others
        more = {name: torch.cat([e, e[:1]]).flip(-1) for name, e in self.examples.items()}
        return {name: 0.5 * e if e.is_floating_point() else e for name, e in more.items()}


DENOISERS = {
    "stable-diffusion": ConditionalDenoiser,
    "class-conditional": ClassDenoiser,
    "unconditional": PlainDenoiser,
}


def captures(model: OpenedModel) -> tuple[Capture, ...]:
    """Every graph of an opened model, the denoiser first."""
    generator = torch.Generator().manual_seed(0)
    time_proj = Capture(
        role="time_proj",
        module=TimeProjection(model.denoiser),
        examples={"timestep": torch.tensor([500.0, 257.0])},
        dynamic={"timestep": (0,)},
    )
    found = [_denoiser(model, generator), time_proj]
    if model.text_encoder is not None:
        config: Any = model.text_encoder.config
        ids = torch.randint(0, int(config.vocab_size), (1, model.card.max_tokens), generator=generator)
        found.append(
            Capture(
                role="text_encoder",
                module=TextEncoder(model.text_encoder),
                examples={"input_ids": ids},
                dynamic={"input_ids": (0,)},
            )
        )
    if model.autoencoder is not None:
        latents = torch.randn(1, *model.card.latent_shape, generator=generator)
        pixels = torch.rand(1, *model.card.image_shape, generator=generator) * 2 - 1
        every: dict[Role, tuple[nn.Module, Tensor]] = {
            "decoder": (Decoder(model.autoencoder), latents),
            "image_encoder": (ImageEncoder(model.autoencoder), pixels),
        }
        found += [
            Capture(role=role, module=module, examples={"sample": example}, dynamic={"sample": (0, 2, 3)})
            for role, (module, example) in every.items()
        ]
    return tuple(found)


def _denoiser(model: OpenedModel, generator: torch.Generator) -> Capture:
    card = model.card
    # A transformer's position embeddings fix its picture size; a UNet takes any.
    dynamic: dict[str, tuple[int, ...]] = {
        "sample": (0,) if card.family == "class-conditional" else (0, 2, 3),
        "time_proj": (0,),
        "condition": (0,),
    }
    examples = _denoiser_inputs(model, (500.0, 500.0), generator)
    return Capture(
        role="denoiser",
        module=DENOISERS[card.family](model.denoiser),
        examples=examples,
        dynamic={name: dynamic[name] for name in examples},
        others=_denoiser_inputs(model, (900.0, 257.0, 20.0), generator),
    )


@torch.no_grad()
def _denoiser_inputs(
    model: OpenedModel, timesteps: tuple[float, ...], generator: torch.Generator
) -> dict[str, Tensor]:
    """Inputs as a denoiser meets them, text states from the model's own encoder.

    Given noise for a condition, a trained denoiser may amplify rounding ten thousandfold.
    """
    card, count = model.card, len(timesteps)
    found = {
        "sample": torch.randn(count, *card.latent_shape, generator=generator),
        "time_proj": TimeProjection(model.denoiser)(torch.tensor(timesteps)),
    }
    if model.text_encoder is not None:
        config: Any = model.text_encoder.config
        ids = torch.randint(0, int(config.vocab_size), (count, card.max_tokens), generator=generator)
        found["condition"] = TextEncoder(model.text_encoder)(ids)
    if card.family == "class-conditional":
        found["condition"] = torch.randint(0, card.classes, (count,), generator=generator)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of every Python number that it bakes in; parity is what is checked instead."""
    logger = logging.getLogger("openvino")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


@torch.no_grad()
def lower(capture: Capture) -> Any:
    """The `ov.Model` of a capture, inputs named and ordered as its examples are."""
    shapes = [
        ov.PartialShape(
            [-1 if axis in capture.dynamic[name] else size for axis, size in enumerate(example.shape)]
        )
        for name, example in capture.examples.items()
    ]
    with _quiet():
        model = ov.convert_model(capture.module, example_input=tuple(capture.examples.values()), input=shapes)
    decompose_group_norms(model)
    for port, name in zip(model.inputs, capture.examples, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
    return model


def save(model: Any, path: Path, *, half: bool) -> None:
    """Writes the IR; `half` keeps weights as fp16 on disk. Raises OSError where the disk is full."""
    try:
        ov.save_model(model, path, compress_to_fp16=half)
    except RuntimeError as error:  # all that OpenVINO says is "iostream error"
        if shutil.disk_usage(path.parent).free > LITTLE_ROOM:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
