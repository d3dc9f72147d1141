"""Whether the weights of a component are as wide as its config says, told from its first and last layers."""

from __future__ import annotations

from collections.abc import Callable

from burnish.core.errors import ModelError
from burnish.load.sizes import Config
from burnish.load.weights import Tensor

Shapes = dict[str, tuple[int, ...]]


def _first(config: Config) -> int:
    return int(config["block_out_channels"][0])


def _width(c: Config) -> int:
    return int(c["num_attention_heads"] * c["attention_head_dim"])


def _unet_shapes(c: Config) -> Shapes:
    return {
        "conv_in.weight": (_first(c), c["in_channels"]),
        "conv_out.weight": (c["out_channels"], _first(c)),
    }


def _autoencoder_shapes(c: Config) -> Shapes:
    return {
        "encoder.conv_in.weight": (_first(c), c["in_channels"]),
        "encoder.conv_out.weight": (2 * c["latent_channels"], c["block_out_channels"][-1]),
        "decoder.conv_in.weight": (c["block_out_channels"][-1], c["latent_channels"]),
        "decoder.conv_out.weight": (c["out_channels"], _first(c)),
    }


def _last(c: Config) -> tuple[int, int]:
    return c["patch_size"] ** 2 * (c["out_channels"] or c["in_channels"]), _width(c)


def _patches(c: Config) -> Shapes:
    return {"pos_embed.proj.weight": (_width(c), c["in_channels"], c["patch_size"], c["patch_size"])}


def _dit_shapes(c: Config) -> Shapes:
    return {**_patches(c), "proj_out_2.weight": _last(c)}


def _pixart_shapes(c: Config) -> Shapes:
    return {**_patches(c), "proj_out.weight": _last(c)}


def _sd3_shapes(c: Config) -> Shapes:
    return {
        **_patches(c),
        "context_embedder.weight": (c["caption_projection_dim"], c["joint_attention_dim"]),
        "proj_out.weight": _last(c),
    }


def _flux_shapes(c: Config) -> Shapes:
    return {
        "x_embedder.weight": (_width(c), c["in_channels"]),
        "context_embedder.weight": (_width(c), c["joint_attention_dim"]),
        "proj_out.weight": _last(c),
    }


def _clip_shapes(c: Config) -> Shapes:
    return {
        "token_embedding.weight": (c["vocab_size"], c["hidden_size"]),
        "position_embedding.weight": (c["max_position_embeddings"], c["hidden_size"]),
    }


def _clip_projected_shapes(c: Config) -> Shapes:
    return {**_clip_shapes(c), "text_projection.weight": (c["projection_dim"], c["hidden_size"])}


def _t5_shapes(c: Config) -> Shapes:
    return {
        "shared.weight": (c["vocab_size"], c["d_model"]),
        "encoder.final_layer_norm.weight": (c["d_model"],),
    }


_SHAPES: dict[str, Callable[[Config], Shapes]] = {
    "UNet2DModel": _unet_shapes,
    "UNet2DConditionModel": _unet_shapes,
    "AutoencoderKL": _autoencoder_shapes,
    "DiTTransformer2DModel": _dit_shapes,
    "PixArtTransformer2DModel": _pixart_shapes,
    "SD3Transformer2DModel": _sd3_shapes,
    "FluxTransformer2DModel": _flux_shapes,
    "CLIPTextModel": _clip_shapes,
    "CLIPTextModelWithProjection": _clip_projected_shapes,
    "T5EncoderModel": _t5_shapes,
}
# What the older name of two classes stands for is told by the norm, as diffusers tells it.
_OLDER = {"ada_norm_zero": "DiTTransformer2DModel", "ada_norm_single": "PixArtTransformer2DModel"}


def check_shapes(name: str, class_name: str, config: Config, tensors: dict[str, Tensor]) -> None:
    """Raises ModelError where a component's first and last layers are not as wide as its config says.

    Every other shape is compared when the component is instantiated.
    """
    if class_name == "Transformer2DModel":
        class_name = _OLDER[config["norm_type"]]
    for suffix, expected in _SHAPES[class_name](config).items():
        # Text encoders stand with and without a prefix; elsewhere the whole name is the suffix.
        shapes = [t.shape for k, t in tensors.items() if k == suffix or k.endswith(f"embeddings.{suffix}")]
        if not shapes:
            raise ModelError(f"{name}: the weights lack {suffix}", "Take weights and config from one model")
        if shapes[0][: len(expected)] != expected:
            raise ModelError(
                f"{name}: {suffix} has shape {list(shapes[0])}, its config says {list(expected)}",
                "Take weights and config from one model",
            )
