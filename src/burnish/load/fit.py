"""Whether the components of a model belong together, as their configs say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from burnish.core.errors import ModelError
from burnish.core.model import Family
from burnish.load.layouts import Layout
from burnish.load.sizes import FLUX_PATCH, Config, denoiser_factor, latent_channels, side

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
MOST_WIDTH = 65536


def _wholes(name: str, config: Config, *keys: str) -> Iterator[Finding]:
    for key in keys:
        value = config[key]
        whole = isinstance(value, int) and not isinstance(value, bool)
        yield whole and value <= MOST_WIDTH * 16, f"{name}: {key} is {value!r:.60}, not a whole number"


def _equal(left: str, value: object, right: str, other: object) -> Finding:
    return value == other, f"{left} is {value!r:.60}, {right} is {other!r:.60}"


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


def _denoiser(
    name: str, layout: Layout, config: Config, added: tuple[str | None, ...] = (None,)
) -> Iterator[Finding]:
    for key in _EXTRA_INPUTS:
        yield config.get(key) is None, f"{name}: {key} asks for an input that this pipeline does not give"
    kind = config.get("addition_embed_type")
    yield kind in added, f"{name}: addition_embed_type {kind!r:.60} asks for another input"
    times = config.get("time_embedding_type")
    yield times in (None, "positional"), f"{name}: time_embedding_type {times!r:.60} is not supported"
    size = side(config, layout)
    yield size > 0, f"{name}: sample_size is {config.get('sample_size')!r:.60}, not the side of a square"
    factor = denoiser_factor(layout.family, config)
    yield size % factor == 0, f"{name}: sample_size {size} is not divisible by {factor}"


def _autoencoder(name: str, layout: Layout, denoiser: Config, vae: Config) -> Iterator[Finding]:
    yield from _blocks("vae", vae)
    yield from _wholes("vae", vae, "in_channels", "out_channels", "latent_channels")
    channels = latent_channels(layout.family, denoiser)
    what = "channels of a latent" if layout.family == "flux" else "in_channels"
    yield _equal(f"{name} {what}", channels, "vae latent_channels", vae["latent_channels"])
    yield (
        vae["out_channels"] == vae["in_channels"] == 3,
        f"vae: in_channels is {vae['in_channels']} and out_channels {vae['out_channels']}, a picture has 3",
    )
    scaling, shift = vae["scaling_factor"], vae.get("shift_factor") or 0.0
    yield isinstance(scaling, (int, float)) and scaling > 0, f"vae: scaling_factor is {scaling!r:.60}"
    yield isinstance(shift, (int, float)), f"vae: shift_factor is {shift!r:.60}"
    for key in ("latents_mean", "latents_std"):
        yield vae.get(key) is None, f"vae: {key} scales each channel by itself, which is not supported"


def _clip(configs: Configs, suffix: str = "", *more: str) -> Iterator[Finding]:
    text, tokenizer = configs[f"text_encoder{suffix}"], configs[f"tokenizer{suffix}"]
    name = f"text_encoder{suffix}"
    yield from _wholes(name, text, "hidden_size", "max_position_embeddings", "vocab_size", *more)
    length, longest = tokenizer.get("model_max_length"), text["max_position_embeddings"]
    yield (
        isinstance(length, int) and 2 < length <= longest,
        f"tokenizer{suffix} model_max_length is {length!r:.40}, {name} max_position_embeddings is {longest}",
    )
    yield from _vocabulary(configs, suffix)


def _t5(configs: Configs, suffix: str = "") -> Iterator[Finding]:
    yield from _wholes(f"text_encoder{suffix}", configs[f"text_encoder{suffix}"], "d_model", "vocab_size")
    yield from _vocabulary(configs, suffix)


def _vocabulary(configs: Configs, suffix: str) -> Iterator[Finding]:
    tokens, known = (configs[f"{part}{suffix}"]["vocab_size"] for part in ("tokenizer", "text_encoder"))
    yield (
        tokens <= known,
        f"tokenizer{suffix} has {tokens} tokens, text_encoder{suffix} vocab_size is {known}",
    )


def _one_length(configs: Configs) -> Finding:
    lengths = [configs[name]["model_max_length"] for name in ("tokenizer", "tokenizer_2")]
    return _equal("tokenizer model_max_length", lengths[0], "tokenizer_2 model_max_length", lengths[1])


def _unet(layout: Layout, configs: Configs, *added: str | None) -> Iterator[Finding]:
    unet = configs["unet"]
    yield from _wholes("unet", unet, "in_channels", "out_channels")
    yield from _blocks("unet", unet)
    yield from _denoiser("unet", layout, unet, added)
    yield from _autoencoder("unet", layout, unet, configs["vae"])
    yield (
        unet["out_channels"] == unet["in_channels"],
        f"unet out_channels is {unet['out_channels']}, in_channels is {unet['in_channels']}",
    )


def _cross_attention(unet: Config, width: int, what: str) -> Finding:
    cross = unet["cross_attention_dim"]
    crosses = cross if isinstance(cross, (list, tuple)) else [cross]
    return all(c == width for c in crosses), f"unet cross_attention_dim is {cross}, {what} is {width}"


def _stable_diffusion(layout: Layout, configs: Configs) -> Iterator[Finding]:
    # "text" pools the text states that every call is given
    yield from _unet(layout, configs, None, "text")
    yield from _clip(configs)
    width = configs["text_encoder"]["hidden_size"]
    yield _cross_attention(configs["unet"], width, "text_encoder hidden_size")


def _stable_diffusion_xl(layout: Layout, configs: Configs) -> Iterator[Finding]:
    unet, first, second = (configs[k] for k in ("unet", "text_encoder", "text_encoder_2"))
    yield from _unet(layout, configs, "text_time")
    yield from _clip(configs)
    yield from _clip(configs, "_2", "projection_dim")
    yield _one_length(configs)
    width = first["hidden_size"] + second["hidden_size"]
    yield _cross_attention(unet, width, "the hidden_size of both text encoders together")
    yield from _wholes("unet", unet, "addition_time_embed_dim", "projection_class_embeddings_input_dim")
    yield _equal(
        "unet projection_class_embeddings_input_dim",
        unet["projection_class_embeddings_input_dim"],
        "text_encoder_2 projection_dim and six times addition_time_embed_dim",
        second["projection_dim"] + 6 * unet["addition_time_embed_dim"],
    )


def _unconditional(layout: Layout, configs: Configs) -> Iterator[Finding]:
    unet = configs["unet"]
    yield from _wholes("unet", unet, "in_channels", "out_channels")
    yield from _blocks("unet", unet)
    yield from _denoiser("unet", layout, unet)
    channels, out = unet["in_channels"], unet["out_channels"]
    yield channels == 3, f"unet: in_channels is {channels}, a picture has 3"
    yield out == channels, f"unet: out_channels is {out}, in_channels is {channels}"


def _patched(layout: Layout, configs: Configs, norm: str = "") -> Iterator[Finding]:
    transformer = configs["transformer"]
    whole = ("in_channels", "patch_size", "num_attention_heads", "attention_head_dim")
    yield from _wholes("transformer", transformer, *whole)
    yield from _denoiser("transformer", layout, transformer)
    yield from _autoencoder("transformer", layout, transformer, configs["vae"])
    found = transformer.get("norm_type", "")
    yield not norm or found == norm, f"transformer: norm_type is {found!r:.40}"


def _learned_variance(transformer: Config) -> Finding:
    channels, out = transformer["in_channels"], transformer["out_channels"] or transformer["in_channels"]
    return (
        out in (channels, 2 * channels),  # twice: the variance is learned beside the noise
        f"transformer out_channels is {out}, in_channels is {channels}: neither equal nor twice",
    )


def _class_conditional(layout: Layout, configs: Configs) -> Iterator[Finding]:
    yield from _wholes("transformer", configs["transformer"], "num_embeds_ada_norm")
    yield from _patched(layout, configs, "ada_norm_zero")
    yield _learned_variance(configs["transformer"])


def _pixart(layout: Layout, configs: Configs) -> Iterator[Finding]:
    transformer, text = configs["transformer"], configs["text_encoder"]
    yield from _patched(layout, configs, "ada_norm_single")
    yield _learned_variance(transformer)
    yield from _t5(configs)
    width = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    cross, captions = transformer["cross_attention_dim"], transformer["caption_channels"]
    yield _equal("transformer cross_attention_dim", cross, "heads times attention_head_dim", width)
    yield _equal("transformer caption_channels", captions, "text_encoder d_model", text["d_model"])
    said, at_1024 = transformer.get("use_additional_conditions"), side(transformer) == 128
    sized = at_1024 if said is None else bool(said)
    yield (
        not sized or (layout.sizes and at_1024),
        f"transformer: use_additional_conditions asks for sizes, which this pipeline does not give at "
        f"sample_size {side(transformer)}",
    )
    yield not sized or width % 3 == 0, f"transformer: heads times attention_head_dim {width} is not 3 parts"


def _own_output(transformer: Config) -> Finding:
    out = transformer["out_channels"] or transformer["in_channels"]
    return _equal("transformer out_channels", out, "in_channels", transformer["in_channels"])


def _stable_diffusion_3(layout: Layout, configs: Configs) -> Iterator[Finding]:
    transformer, first, second = (configs[k] for k in ("transformer", "text_encoder", "text_encoder_2"))
    yield from _patched(layout, configs)
    yield _own_output(transformer)
    yield from _clip(configs, "", "projection_dim")
    yield from _clip(configs, "_2", "projection_dim")
    yield _one_length(configs)
    yield from _wholes("transformer", transformer, "joint_attention_dim")
    joint = transformer["joint_attention_dim"]
    yield (
        ("text_encoder_3" in configs) == ("tokenizer_3" in configs),
        "text_encoder_3 and tokenizer_3 must both be there, or neither",
    )
    if "text_encoder_3" in configs:
        yield from _t5(configs, "_3")
        width = configs["text_encoder_3"]["d_model"]
        yield _equal("transformer joint_attention_dim", joint, "text_encoder_3 d_model", width)
    both = first["hidden_size"] + second["hidden_size"]
    yield both <= joint, f"transformer joint_attention_dim is {joint}, the other text encoders need {both}"
    yield _equal(
        "transformer pooled_projection_dim",
        transformer["pooled_projection_dim"],
        "the projection_dim of both text encoders together",
        first["projection_dim"] + second["projection_dim"],
    )
    width = transformer["num_attention_heads"] * transformer["attention_head_dim"]
    captions = transformer["caption_projection_dim"]
    yield _equal("transformer caption_projection_dim", captions, "heads times attention_head_dim", width)
    most, patches = transformer["pos_embed_max_size"], side(transformer) // transformer["patch_size"]
    yield (
        isinstance(most, int) and patches <= most,
        f"transformer: sample_size is {patches} patches, pos_embed_max_size is {most!r:.40}",
    )


def _flux(layout: Layout, configs: Configs) -> Iterator[Finding]:
    transformer, first, second = (configs[k] for k in ("transformer", "text_encoder", "text_encoder_2"))
    whole = ("in_channels", "num_attention_heads", "attention_head_dim")
    yield from _wholes("transformer", transformer, *whole)
    channels, packed = transformer["in_channels"], FLUX_PATCH**2
    yield channels % packed == 0, f"transformer: in_channels is {channels}, not divisible by {packed}"
    yield from _denoiser("transformer", layout, transformer)
    yield from _autoencoder("transformer", layout, transformer, configs["vae"])
    yield _own_output(transformer)
    yield _equal("transformer: patch_size", transformer["patch_size"], "what FluxPipeline packs to", 1)
    yield from _clip(configs)
    yield from _t5(configs, "_2")
    joint, pooled = transformer["joint_attention_dim"], transformer["pooled_projection_dim"]
    yield _equal("transformer joint_attention_dim", joint, "text_encoder_2 d_model", second["d_model"])
    yield _equal(
        "transformer pooled_projection_dim", pooled, "text_encoder hidden_size", first["hidden_size"]
    )
    axes, head = transformer["axes_dims_rope"], transformer["attention_head_dim"]
    yield (
        isinstance(axes, (list, tuple))
        and len(axes) == 3
        and all(isinstance(a, int) for a in axes)
        and sum(axes) == head,
        f"transformer: axes_dims_rope {axes!r:.60} does not add up to attention_head_dim {head}",
    )
    guided = transformer["guidance_embeds"]
    yield isinstance(guided, bool), f"transformer: guidance_embeds is {guided!r:.40}"


_FITS: dict[Family, Callable[[Layout, Configs], Iterator[Finding]]] = {
    "stable-diffusion": _stable_diffusion,
    "stable-diffusion-xl": _stable_diffusion_xl,
    "stable-diffusion-3": _stable_diffusion_3,
    "flux": _flux,
    "pixart": _pixart,
    "unconditional": _unconditional,
    "class-conditional": _class_conditional,
}


def check_fit(layout: Layout, configs: dict[str, dict[str, Any]]) -> None:
    """Raises ModelError at the first size that does not fit; `configs` are settled, one a part."""
    for holds, problem in _FITS[layout.family](layout, configs):
        if not holds:
            raise ModelError(problem, "Take every component from the same model")
