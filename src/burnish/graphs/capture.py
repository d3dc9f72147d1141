"""What there is to capture of a model: each component as a function of named wires, batch first.

Graphs are joined by name: an output of one is the input of that name of the next. What a request gives is the
rest of the wires:

    timestep        (b,)         of the Program
    input_ids       (b, tokens)  of the prompt or the negative one; input_ids_2 and _3 by the other tokenizers
    attention_mask  (b, tokens)  1 for a token, 0 for padding (PixArt)
    condition       (b,)         the class label, where there is no text
    time_ids        (b, 6)       original height and width, top and left of the crop, target height and width
                                 in pixels, the same for both passes; (H, W, 0, 0, H, W) by default (SDXL)
    resolution      (b, 2)       height and width in pixels (PixArt alpha at 1024)
    aspect_ratio    (b, 1)       height over width (PixArt alpha at 1024)
    guidance        (b,)         the guidance scale that a distilled denoiser is told; 3.5 by default (Flux)

Batch is dynamic in the file, as are height and width where the component allows it: a UNet takes any size, a
transformer's position embeddings fix it. The runtime makes every shape static before it compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from burnish.core.bundle import Role
from burnish.core.model import Family
from burnish.graphs.denoisers import (
    ClassDenoiser,
    ConditionalDenoiser,
    MaskedDenoiser,
    PackedDenoiser,
    PlainDenoiser,
    PooledDenoiser,
    SizedDenoiser,
)
from burnish.graphs.encoders import (
    Decoder,
    ImageEncoder,
    MaskedTextEncoder,
    PenultimateStates,
    PooledState,
    ProjectedStates,
    SideBySide,
    TextEncoder,
    ThreeTexts,
)
from burnish.graphs.projections import (
    GuidanceProjection,
    SizeProjection,
    TimeProjection,
    size_projections,
)
from burnish.load import OpenedModel

Wires = dict[str, Tensor]
Names = tuple[str, ...]
EXAMPLE_GUIDANCE = 3.5
TOKENS_WITHOUT_T5 = 256  # zeros that StableDiffusion3Pipeline puts in their place

# What each text encoder of a family is, what it takes, and what it gives.
_TEXTS: dict[Family, tuple[tuple[Callable[[nn.Module], nn.Module], Names, Names], ...]] = {
    "stable-diffusion": ((TextEncoder, ("input_ids",), ("condition",)),),
    "stable-diffusion-xl": (
        (PenultimateStates, ("input_ids",), ("states",)),
        (ProjectedStates, ("input_ids_2",), ("states_2", "pooled")),
    ),
    "stable-diffusion-3": (
        (ProjectedStates, ("input_ids",), ("states", "projected")),
        (ProjectedStates, ("input_ids_2",), ("states_2", "projected_2")),
        (TextEncoder, ("input_ids_3",), ("states_3",)),
    ),
    "flux": (
        (PooledState, ("input_ids",), ("pooled",)),
        (TextEncoder, ("input_ids_2",), ("condition",)),
    ),
    "pixart": ((MaskedTextEncoder, ("input_ids", "attention_mask"), ("condition",)),),
}
_DENOISERS: dict[Family, tuple[Callable[[OpenedModel], nn.Module], Names]] = {
    "stable-diffusion": (lambda m: ConditionalDenoiser(m.denoiser), ("condition",)),
    "stable-diffusion-xl": (lambda m: SizedDenoiser(m.denoiser), ("condition", "pooled")),
    "stable-diffusion-3": (lambda m: PooledDenoiser(m.denoiser), ("condition", "pooled")),
    "flux": (
        lambda m: PackedDenoiser(m.denoiser, m.card.latent_shape, m.card.max_tokens_2),
        ("condition", "pooled"),
    ),
    "pixart": (lambda m: MaskedDenoiser(m.denoiser), ("condition", "attention_mask")),
    "class-conditional": (lambda m: ClassDenoiser(m.denoiser), ("condition",)),
    "unconditional": (lambda m: PlainDenoiser(m.denoiser), ()),
}
_SIZES: dict[Family, Names] = {
    "stable-diffusion-xl": ("time_ids",),
    "pixart": ("resolution", "aspect_ratio"),
}


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What to capture: a wrapped component with example inputs, and which of their axes may vary.

    `outputs` names what the module gives, in its order.
    """

    role: Role
    module: nn.Module
    examples: Wires
    outputs: Names
    dynamic: dict[str, tuple[int, ...]]
    others: Wires | None = None  # what parity is checked on besides the examples

    def reference(self, inputs: Wires | None = None) -> Wires:
        """PyTorch's outputs by name on `inputs`, or on the examples."""
        given = inputs or self.examples
        return _outputs(self.module, [given[name] for name in self.examples], self.outputs)

    @property
    def unseen(self) -> Wires:
        """Inputs that tracing did not see: `others`, or one more in the batch and other numbers."""
        if self.others is not None:
            return self.others
        more = {name: torch.cat([e, e[:1]]).flip(-1) for name, e in self.examples.items()}
        return {name: 0.5 * e if e.is_floating_point() else e for name, e in more.items()}


@dataclass(frozen=True)
class _Node:
    role: Role
    module: nn.Module
    inputs: Names
    outputs: Names


@torch.no_grad()
def _outputs(module: nn.Module, inputs: Sequence[Tensor], names: Names) -> Wires:
    found = module(*inputs)
    return dict(zip(names, (found,) if isinstance(found, Tensor) else found, strict=True))


def _before(model: OpenedModel) -> list[_Node]:
    """What runs before the denoiser, in order."""
    nodes = [_Node("time_proj", TimeProjection(model.denoiser), ("timestep",), ("time_proj",))]
    if sizes := _sizes(model):
        given = tuple(f"{name}_proj" for name in sizes)
        nodes.append(_Node("size_proj", SizeProjection(model.denoiser), sizes, given))
    if _guided_by_number(model):
        nodes.append(
            _Node("guidance_proj", GuidanceProjection(model.denoiser), ("guidance",), ("guidance_proj",))
        )
    roles: tuple[Role, ...] = ("text_encoder", "text_encoder_2", "text_encoder_3")
    for role, (wrap, inputs, outputs) in zip(roles, _TEXTS.get(model.card.family, ()), strict=False):
        encoder = getattr(model, role)
        if encoder is not None:
            nodes.append(_Node(role, wrap(encoder), inputs, outputs))
    return [*nodes, *_joined(model)]


def _joined(model: OpenedModel) -> list[_Node]:
    """The graph that joins what several text encoders say, where there is one."""
    if model.card.family == "stable-diffusion-xl":
        return [_Node("condition", SideBySide(), ("states", "states_2"), ("condition",))]
    if model.card.family == "stable-diffusion-3":
        config: Any = model.denoiser.config
        third = () if model.text_encoder_3 is None else ("states_3",)
        inputs = ("states", "states_2", "projected", "projected_2", *third)
        join = ThreeTexts(int(config.joint_attention_dim), model.card.max_tokens_3 or TOKENS_WITHOUT_T5)
        return [_Node("condition", join, inputs, ("condition", "pooled"))]
    return []


def _sizes(model: OpenedModel) -> Names:
    return _SIZES.get(model.card.family, ()) if size_projections(model.denoiser) else ()


def _guided_by_number(model: OpenedModel) -> bool:
    return model.card.guidance == "embedded"


def _denoiser(model: OpenedModel) -> _Node:
    wrap, takes = _DENOISERS[model.card.family]
    extra = tuple(f"{name}_proj" for name in _sizes(model))
    extra += ("guidance_proj",) if _guided_by_number(model) else ()
    return _Node("denoiser", wrap(model), ("sample", "time_proj", *takes, *extra), ("output",))


def _token_ids(vocab_size: int, tokenizer: Any, shape: tuple[int, int], random: torch.Generator) -> Wires:
    """Texts of different lengths, ended and padded as the tokenizer does it, and their mask.

    Encoders look for the first of equal tokens that may end a text, which two runtimes could see differently.
    """
    ids = torch.randint(0, vocab_size, shape, generator=random)
    mask = torch.ones_like(ids)
    for k in range(shape[0]):
        end = shape[1] - 1 - k * (shape[1] // (shape[0] + 1))
        ids[k, end], ids[k, end + 1 :], mask[k, end + 1 :] = tokenizer.eos_token_id, tokenizer.pad_token_id, 0
    return {"input_ids": ids, "attention_mask": mask}


def _given(model: OpenedModel, timesteps: Sequence[float], random: torch.Generator) -> Wires:
    """What a request would give, for so many images."""
    card, count = model.card, len(timesteps)
    # No two images alike, so that a number which tracing froze shows.
    height, width = (float(side) + 8.0 * torch.arange(count) for side in card.image_shape[1:])
    crops = 4.0 * torch.arange(2 * count).reshape(2, count)
    found = {
        "sample": torch.randn(count, *card.latent_shape, generator=random),
        "timestep": torch.tensor(timesteps),
        "time_ids": torch.stack([height, width, *crops, height, width], dim=-1),
        "resolution": torch.stack([height, width], dim=-1),
        "aspect_ratio": (height / width.flip(0))[:, None],
        "guidance": EXAMPLE_GUIDANCE + torch.arange(count),
    }
    if card.family == "class-conditional":
        found["condition"] = torch.randint(0, card.classes, (count,), generator=random)
    for suffix in ("", "_2", "_3"):
        encoder = getattr(model, f"text_encoder{suffix}")
        if encoder is not None:
            shape = (count, int(getattr(card, f"max_tokens{suffix}")))
            tokenizer = getattr(model, f"tokenizer{suffix}")
            ids = _token_ids(int(encoder.config.vocab_size), tokenizer, shape, random)
            found |= {f"{name}{suffix}": x for name, x in ids.items()}
    return found


def _wires(
    model: OpenedModel, nodes: Sequence[_Node], timesteps: Sequence[float], random: torch.Generator
) -> Wires:
    """Inputs as the graphs meet them, text states from the model's own encoders.

    Given noise for a condition, a trained denoiser may amplify rounding ten thousandfold.
    """
    wires = _given(model, timesteps, random)
    for node in nodes:
        wires |= _outputs(node.module, [wires[name] for name in node.inputs], node.outputs)
    return wires


def _autoencoder(model: OpenedModel, random: torch.Generator) -> list[Capture]:
    if model.autoencoder is None:
        return []
    latents = torch.randn(1, *model.card.latent_shape, generator=random)
    pixels = torch.rand(1, *model.card.image_shape, generator=random) * 2 - 1
    every: tuple[tuple[Role, nn.Module, Tensor, str], ...] = (
        ("decoder", Decoder(model.autoencoder), latents, "pixels"),
        ("image_encoder", ImageEncoder(model.autoencoder), pixels, "latents"),
    )
    return [
        Capture(
            role=role,
            module=module,
            examples={"sample": example},
            outputs=(output,),
            dynamic={"sample": (0, 2, 3)},
        )
        for role, module, example, output in every
    ]


_MADE: WeakKeyDictionary[OpenedModel, tuple[Capture, ...]] = WeakKeyDictionary()


def captures(model: OpenedModel) -> tuple[Capture, ...]:
    """Every graph of an opened model, the denoiser first, then those before it and those after it in order.

    The same every time; kept while the model is, because the examples run its text encoders.
    """
    if model not in _MADE:
        _MADE[model] = tuple(_captures(model))
    return _MADE[model]


def _captures(model: OpenedModel) -> list[Capture]:
    random = torch.Generator().manual_seed(0)
    before = _before(model)
    denoiser = _denoiser(model)
    examples = _wires(model, before, (500.0, 500.0), random)
    others = _wires(model, before, (900.0, 257.0, 20.0), random)
    latents = (0, 2, 3) if model.card.any_size else (0,)
    found = [
        Capture(
            role=node.role,
            module=node.module,
            examples={name: examples[name] for name in node.inputs},
            outputs=node.outputs,
            dynamic={name: latents if name == "sample" else (0,) for name in node.inputs},
            others={name: others[name] for name in node.inputs},
        )
        for node in (denoiser, *before)
    ]
    return [*found, *_autoencoder(model, random)]
