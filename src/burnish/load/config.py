"""JSON from strangers: bounded in size and depth, an object, and without keys that make a loader run code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from burnish.core.errors import ModelError

MAX_JSON_BYTES = 16 << 20
MAX_JSON_DEPTH = 32

# Keys that make diffusers or transformers import, download or build something the directory chooses.
FORBIDDEN_KEYS = {
    "custom_pipeline": "it names Python code",
    "auto_map": "it names Python code",
    "trust_remote_code": "it asks to run Python code",
    "custom_pipelines": "it names Python code",
    "quantization_config": "it loads another library's layers",
    "attn_implementation": "it may fetch a compiled kernel",
    "_attn_implementation": "it may fetch a compiled kernel",
    "_attn_implementation_internal": "it may fetch a compiled kernel",
    "kernel_config": "it may fetch a compiled kernel",
    "use_kernels": "it may fetch a compiled kernel",
    "attribute_map": "it gives one key the meaning of another",
    "fusion_config": "it rewrites classes of transformers",
    "transformers_weights": "it names another weights file",
}
# Keys of these files alone that stand in for the files a tokenizer is made of.
STAND_INS = {
    "tokenizer_config.json": ("fast_tokenizer_files", "init_inputs", "merges", "vocab"),
    "special_tokens_map.json": ("merges", "merges_file", "tokenizer_file", "vocab", "vocab_file"),
}

# Sizes that decide how much is built before the first weight is read: the lowest and the highest allowed.
LIMITS: dict[str, tuple[int, int]] = {
    "addition_time_embed_dim": (1, 16384),
    "attention_head_dim": (1, 4096),
    "axes_dims_rope": (1, 4096),
    "block_out_channels": (1, 8192),
    "caption_channels": (1, 65536),
    "caption_projection_dim": (1, 65536),
    "cross_attention_dim": (1, 16384),
    "d_ff": (1, 65536),
    "d_kv": (1, 4096),
    "d_model": (1, 16384),
    "dual_attention_layers": (0, 255),
    "hidden_size": (1, 16384),
    "in_channels": (1, 1024),
    "intermediate_size": (1, 65536),
    "joint_attention_dim": (1, 65536),
    "latent_channels": (1, 1024),
    "layers_per_block": (1, 64),
    "max_position_embeddings": (1, 65536),
    "norm_num_groups": (1, 1024),
    "num_attention_heads": (1, 1024),
    "num_embeds_ada_norm": (1, 1 << 20),
    "num_heads": (1, 1024),
    "num_hidden_layers": (1, 256),
    "num_layers": (1, 256),
    "num_single_layers": (0, 256),
    "num_train_timesteps": (1, 100_000),
    "out_channels": (1, 2048),
    "patch_size": (1, 64),
    "pooled_projection_dim": (1, 65536),
    "pos_embed_max_size": (1, 1024),
    "projection_class_embeddings_input_dim": (1, 65536),
    "relative_attention_num_buckets": (1, 4096),
    "reverse_transformer_layers_per_block": (0, 64),
    "sample_size": (1, 4096),
    "transformer_layers_per_block": (0, 64),
    "vocab_size": (1, 1 << 20),
}
MAX_LIST = 64
ENDLESS = ("lambda_min_clipped",)  # keys whose number may be minus infinity: no bound, which is the default
_REMEDY = "Take the config of the model the weights belong to"


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two readers that keep different ones of two equal keys would see two different models.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _not_a_number(text: str) -> float:
    if text == "-Infinity":  # as Python, though not JSON, writes what one setting of schedulers may be
        return -math.inf
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text:.40} is not a finite number")
    return number


def parse_object(text: bytes, where: str) -> dict[str, Any]:
    """A JSON object out of bytes; `where` names the file in the ModelError that anything else raises."""
    try:
        found = json.loads(
            text.decode("utf-8"), object_pairs_hook=_pairs, parse_constant=_not_a_number, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where} is not readable JSON: {error!s:.120}", "Download the file again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{where} is not a JSON object", "Download the file again")
    return found


def _check_tree(tree: dict[str, Any], where: str) -> None:
    level: list[Any] = [tree]
    for _ in range(MAX_JSON_DEPTH):
        for node in level:
            for key in FORBIDDEN_KEYS.keys() & (node.keys() if isinstance(node, dict) else ()):
                raise ModelError(
                    f"{where} has the key {key}: {FORBIDDEN_KEYS[key]}",
                    "Remove the key if the model works without it; Burnish runs no code out of a model",
                )
        for key, value in ((k, v) for n in level if isinstance(n, dict) for k, v in n.items()):
            if value == -math.inf and key not in ENDLESS:
                raise ModelError(f"{where}: {key:.80} is -Infinity", _REMEDY)
        children = (n.values() if isinstance(n, dict) else n for n in level)
        level = [child for group in children for child in group if isinstance(child, (dict, list))]
        if not level:
            return
    raise ModelError(f"{where} is nested deeper than {MAX_JSON_DEPTH} levels", "Download the file again")


def read_object(path: Path, where: str) -> dict[str, Any]:
    """The JSON object in `path`; ModelError when it is too large, too deep, or holds a forbidden key."""
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelError(f"{where} is larger than {MAX_JSON_BYTES >> 20} MiB", "Download the file again")
    tree = parse_object(path.read_bytes(), where)
    _check_tree(tree, where)
    for key in STAND_INS.get(path.name, ()):
        if tree.get(key):
            raise ModelError(
                f"{where} has the key {key}: it stands in for the tokenizer's files", "Remove it"
            )
    return tree


def _numbers(value: object) -> list[object]:
    return [x for v in value for x in _numbers(v)] if isinstance(value, list) else [value]


def check_limits(config: dict[str, Any], where: str) -> None:
    """Raises ModelError for a size of a component outside LIMITS, or a list of them longer than MAX_LIST."""
    for key in LIMITS.keys() & config.keys():
        low, high = LIMITS[key]
        numbers = [n for n in _numbers(config[key]) if n is not None]
        if len(numbers) > MAX_LIST:
            raise ModelError(
                f"{where}: {key} has {len(numbers)} entries, at most {MAX_LIST} are read", _REMEDY
            )
        for n in numbers:
            if isinstance(n, bool) or not isinstance(n, int) or not low <= n <= high:
                raise ModelError(
                    f"{where}: {key} is {config[key]!r:.60}, outside {low} to {high}",
                    _REMEDY,
                )
