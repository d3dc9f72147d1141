"""Whether the components of a model belong together: sizes in the configs, and shapes in the weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from transformers import CLIPTextConfig

from burnish.core.errors import ModelError
from burnish.core.model import Family
from burnish.load.layouts import component_class
from burnish.load.weights import Tensor

Config = dict[str, Any]
Configs = dict[str, Config]
Finding = tuple[bool, str]  # what must hold, and what to say where it does not

# Inputs beyond picture, timestep and condition, which the pipelines here do not have.
_EXTRA_INPUTS = (
    "class_embed_type",
    "encoder_hid_dim",
    "encoder_hid_dim_type",
    "num_class_embeds",
    "time_cond_proj_dim",
)


def settle(library: str, class_name: str, config: Config) -> Config:
    """The config with the class's own defaults for what it does not say, as the class would read it."""
    if library == "transformers":
        defaults = CLIPTextConfig().to_dict() if class_name == "CLIPTextModel" else {}
    else:
        parameters = inspect.signature(component_class(library, class_name)).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**defaults, **config}


def autoencoder_factor(vae: Config) -> int:
    """Pixels a latent stands for, along one side."""
    return int(2 ** (len(vae["block_out_channels"]) - 1))


def denoiser_factor(family: Family, denoiser: Config) -> int:
    """What the side of the denoiser's input must be divisible by."""
    if family == "class-conditional":
        return int(denoiser["patch_size"])
    return int(2 ** (len(denoiser["block_out_channels"]) - 1))


def side(config: Config) -> int:
    """sample_size as one number; 0 where it is absent or not square."""
    size = config.get("sample_size")
    sides: list[Any] = [*size] if isinstance(size, (list, tuple)) else [size]
    same = all(isinstance(s, int) and s == sides[0] for s in sides)
    return int(sides[0]) if sides and same else 0


def _wholes(name: str, config: Config, *keys: str) -> Iterator[Finding]:
    for key in keys:
        yield isinstance(config[key], int), f"{name}: {key} is {config[key]!r:.60}, not a whole number"


def _blocks(name: str, config: Config) -> Iterator[Finding]:
    widths, downs, ups = (config[k] for k in ("block_out_channels", "down_block_types", "up_block_types"))
    lists = all(isinstance(x, (list, tuple)) for x in (widths, downs, ups))
    yield lists, f"{name}: block_out_channels, down_block_types and up_block_types must be lists"
    yield (
        0 < len(widths) == len(downs) == len(ups),
        f"{name}: block_out_channels has {len(widths)} entries, down_block_types {len(downs)}, "
        f"up_block_types {len(ups)}",
    )
    groups = config["norm_num_groups"] or 1
    yield (
        isinstance(groups, int) and all(isinstance(w, int) and w % groups == 0 for w in widths),
        f"{name}: block_out_channels {widths!r:.80} is not divisible by norm_num_groups {groups!r:.40}",
    )


def _denoiser(name: str, family: Family, config: Config) -> Iterator[Finding]:
    for key in _EXTRA_INPUTS:
        yield config.get(key) is None, f"{name}: {key} asks for an input that this pipeline does not give"
    pooled = config.get("addition_embed_type")  # "text" pools the text states that every call is given
    yield pooled in (None, "text"), f"{name}: addition_embed_type {pooled!r:.60} asks for another input"
    times = config.get("time_embedding_type")
    yield times in (None, "positional"), f"{name}: time_embedding_type {times!r:.60} is not supported"
    size = side(config)
    yield size > 0, f"{name}: sample_size is {config.get('sample_size')!r:.60}, not the side of a square"
    factor = denoiser_factor(family, config)
    yield size % factor == 0, f"{name}: sample_size {size} is not divisible by {factor}"


def _autoencoder(name: str, denoiser: Config, vae: Config) -> Iterator[Finding]:
    yield from _blocks("vae", vae)
    yield from _wholes("vae", vae, "in_channels", "out_channels", "latent_channels")
    yield (
        denoiser["in_channels"] == vae["latent_channels"],
        f"{name} in_channels is {denoiser['in_channels']}, vae latent_channels is {vae['latent_channels']}",
    )
    yield (
        vae["out_channels"] == vae["in_channels"] == 3,
        f"vae: in_channels is {vae['in_channels']} and out_channels {vae['out_channels']}, a picture has 3",
    )
    scaling = vae["scaling_factor"]
    yield isinstance(scaling, (int, float)) and scaling > 0, f"vae: scaling_factor is {scaling!r:.60}"


def _stable_diffusion(configs: Configs) -> Iterator[Finding]:
    unet, vae, text, tokenizer = (configs[k] for k in ("unet", "vae", "text_encoder", "tokenizer"))
    yield from _wholes("unet", unet, "in_channels", "out_channels")
    yield from _wholes("text_encoder", text, "hidden_size", "max_position_embeddings", "vocab_size")
    yield from _blocks("unet", unet)
    yield from _denoiser("unet", "stable-diffusion", unet)
    yield from _autoencoder("unet", unet, vae)
    yield (
        unet["out_channels"] == unet["in_channels"],
        f"unet out_channels is {unet['out_channels']}, in_channels is {unet['in_channels']}",
    )
    cross = unet["cross_attention_dim"]
    crosses = cross if isinstance(cross, (list, tuple)) else [cross]
    yield (
        all(c == text["hidden_size"] for c in crosses),
        f"unet cross_attention_dim is {cross}, text_encoder hidden_size is {text['hidden_size']}",
    )
    length, longest = tokenizer.get("model_max_length"), text["max_position_embeddings"]
    yield (
        isinstance(length, int) and 2 < length <= longest,
        f"tokenizer model_max_length is {length!r:.40}, text_encoder max_position_embeddings is {longest}",
    )
    yield (
        tokenizer["vocab_size"] <= text["vocab_size"],
        f"tokenizer has {tokenizer['vocab_size']} tokens, text_encoder vocab_size is {text['vocab_size']}",
    )


def _unconditional(configs: Configs) -> Iterator[Finding]:
    unet = configs["unet"]
    yield from _wholes("unet", unet, "in_channels", "out_channels")
    yield from _blocks("unet", unet)
    yield from _denoiser("unet", "unconditional", unet)
    channels, out = unet["in_channels"], unet["out_channels"]
    yield channels == 3, f"unet: in_channels is {channels}, a picture has 3"
    yield out == channels, f"unet: out_channels is {out}, in_channels is {channels}"


def _class_conditional(configs: Configs) -> Iterator[Finding]:
    dit = configs["transformer"]
    whole = ("in_channels", "patch_size", "num_attention_heads", "attention_head_dim", "num_embeds_ada_norm")
    yield from _wholes("transformer", dit, *whole)
    yield from _denoiser("transformer", "class-conditional", dit)
    yield from _autoencoder("transformer", dit, configs["vae"])
    channels, out = dit["in_channels"], dit["out_channels"] or dit["in_channels"]
    yield (
        out in (channels, 2 * channels),  # twice: the variance is learned beside the noise
        f"transformer out_channels is {out}, in_channels is {channels}: neither equal nor twice",
    )
    yield dit["norm_type"] == "ada_norm_zero", f"transformer: norm_type is {dit['norm_type']!r:.40}"


_FITS: dict[Family, Callable[[Configs], Iterator[Finding]]] = {
    "stable-diffusion": _stable_diffusion,
    "unconditional": _unconditional,
    "class-conditional": _class_conditional,
}


def check_fit(family: Family, configs: Configs) -> None:
    """Raises ModelError at the first size that does not fit; `configs` are settled, one a part."""
    for holds, problem in _FITS[family](configs):
        if not holds:
            raise ModelError(problem, "Take every component from the same model")


def _first(config: Config) -> int:
    return int(config["block_out_channels"][0])


def _unet_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    return {
        "conv_in.weight": (_first(c), c["in_channels"]),
        "conv_out.weight": (c["out_channels"], _first(c)),
    }


def _autoencoder_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    return {
        "encoder.conv_in.weight": (_first(c), c["in_channels"]),
        "encoder.conv_out.weight": (2 * c["latent_channels"], c["block_out_channels"][-1]),
        "decoder.conv_in.weight": (c["block_out_channels"][-1], c["latent_channels"]),
        "decoder.conv_out.weight": (c["out_channels"], _first(c)),
    }


def _transformer_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    width, patch = c["num_attention_heads"] * c["attention_head_dim"], c["patch_size"]
    return {
        "pos_embed.proj.weight": (width, c["in_channels"], patch, patch),
        "proj_out_2.weight": (patch * patch * (c["out_channels"] or c["in_channels"]), width),
    }


def _text_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    return {
        "token_embedding.weight": (c["vocab_size"], c["hidden_size"]),
        "position_embedding.weight": (c["max_position_embeddings"], c["hidden_size"]),
    }


_SHAPES: dict[str, Callable[[Config], dict[str, tuple[int, ...]]]] = {
    "unet": _unet_shapes,
    "vae": _autoencoder_shapes,
    "transformer": _transformer_shapes,
    "text_encoder": _text_shapes,
}


def check_shapes(name: str, config: Config, tensors: dict[str, Tensor]) -> None:
    """Raises ModelError where a component's first and last layers are not as wide as its config says.

    Every other shape is compared when the component is instantiated.
    """
    for suffix, expected in _SHAPES[name](config).items():
        # Text encoders stand with and without a prefix; elsewhere the whole name is the suffix.
        shapes = [t.shape for k, t in tensors.items() if k == suffix or k.endswith(f"embeddings.{suffix}")]
        if not shapes:
            raise ModelError(f"{name}: the weights lack {suffix}", "Take weights and config from one model")
        if shapes[0][: len(expected)] != expected:
            raise ModelError(
                f"{name}: {suffix} has shape {list(shapes[0])}, its config says {list(expected)}",
                "Take weights and config from one model",
            )
