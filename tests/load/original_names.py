"""Tiny models under the names of the code that they were first trained with, as single-file checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

Weights = dict[str, Tensor]
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
OPEN_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
PER_BLOCK = 1  # layers_per_block of the tiny UNets


def unet_name(name: str) -> str:
    """The original name of a UNet's weight: blocks on the way down and up are counted through."""
    module, _, leaf = name.rpartition(".")
    if module in UNET:
        return f"{UNET[module]}.{leaf}"
    if found := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
        way, rest = found[1], found[5]
        block, layer = int(found[2]), int(found[4])
        first = block * (PER_BLOCK + 1)
        if found[3] == "downsamplers":
            return f"input_blocks.{first + PER_BLOCK + 1}.0.{rest.replace('conv', 'op')}"
        if found[3] == "upsamplers":
            return f"output_blocks.{first + PER_BLOCK}.{2 if block == 0 else 1}.{rest}"
        start = f"input_blocks.{first + layer + 1}" if way == "down" else f"output_blocks.{first + layer}"
        return f"{start}.1.{rest}" if found[3] == "attentions" else f"{start}.0.{_resnet(rest)}"
    found = re.fullmatch(r"mid_block\.(\w+)\.(\d+)\.(.+)", name)
    assert found is not None, name
    if found[1] == "attentions":
        return f"middle_block.1.{found[3]}"
    return f"middle_block.{2 * int(found[2])}.{_resnet(found[3])}"


def _resnet(rest: str) -> str:
    module, _, leaf = rest.rpartition(".")
    return f"{RESNET[module]}.{leaf}"


def autoencoder_name(name: str) -> str:
    """The original name of an autoencoder's weight: the way up is counted from the last block."""
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
    name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
    name = re.sub(r"attn_1\.to_([qkv])", r"attn_1.\1", name).replace("to_out.0", "proj_out")
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{2 - int(m[1])}.block", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{2 - int(m[1])}.upsample", name)


def autoencoder(weights: Weights) -> Weights:
    """Attention's projections were 1x1 convolutions."""
    found = {autoencoder_name(name): tensor for name, tensor in weights.items()}
    conv = re.compile(r"attn_1\.(q|k|v|proj_out)\.weight$")
    return {n: t[:, :, None, None] if conv.search(n) else t for n, t in found.items()}


def open_clip(weights: Weights) -> Weights:
    """A text encoder as OpenCLIP names it: one matrix for query, key and value, the projection turned."""
    bare = {name.removeprefix("text_model."): tensor for name, tensor in weights.items()}
    found = {OPEN_CLIP_ENDS[n]: t for n, t in bare.items() if n in OPEN_CLIP_ENDS}
    if "text_projection.weight" in bare:
        found["text_projection"] = bare["text_projection.weight"].T.contiguous()
    for name, tensor in bare.items():
        if layer := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name):
            start, module, leaf = f"transformer.resblocks.{layer[1]}", layer[2], layer[3]
            if module in OPEN_CLIP:
                found[f"{start}.{OPEN_CLIP[module]}.{leaf}"] = tensor
            elif module == "self_attn.q_proj":
                rows = [bare[name.replace("q_proj", f"{p}_proj")] for p in "qkv"]
                found[f"{start}.attn.in_proj_{leaf}"] = torch.cat(rows)
    return found


def clip(weights: Weights) -> Weights:
    """A text encoder as transformers named it then, with the positions that it kept."""
    found = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in weights.items()}
    length = found["text_model.embeddings.position_embedding.weight"].shape[0]
    return found | {"text_model.embeddings.position_ids": torch.arange(length)[None]}


def checkpoint(model: Path, path: Path, kind: str) -> Path:
    """Writes the single-file checkpoint of a tiny model directory; `kind` is "1", "2" or "xl"."""

    def read(part: str) -> Weights:
        (file,) = (model / part).glob("*.safetensors")
        return load_file(file)

    unet = {f"model.diffusion_model.{unet_name(n)}": t for n, t in read("unet").items()}
    vae = {f"first_stage_model.{n}": t for n, t in autoencoder(read("vae")).items()}
    texts = {
        "1": lambda: {f"cond_stage_model.transformer.{n}": t for n, t in clip(read("text_encoder")).items()},
        "2": lambda: {f"cond_stage_model.model.{n}": t for n, t in open_clip(read("text_encoder")).items()},
        "xl": lambda: {
            **{f"conditioner.embedders.0.transformer.{n}": t for n, t in clip(read("text_encoder")).items()},
            **{f"conditioner.embedders.1.model.{n}": t for n, t in open_clip(read("text_encoder_2")).items()},
        },
    }
    rest = {"alphas_cumprod": torch.linspace(1, 0, 10), "model_ema.decay": torch.ones(())}
    save_file({n: t.clone() for n, t in {**unet, **vae, **texts[kind](), **rest}.items()}, path)
    return path
