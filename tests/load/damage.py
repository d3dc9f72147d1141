"""Ways to damage a model directory, each a function of its path."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

Damage = Callable[[Path], object]
UNET = "unet/diffusion_pytorch_model.safetensors"


def write(name: str, content: bytes = b"x") -> Damage:
    """Puts a file there."""

    def damage(path: Path) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    return damage


def remove(name: str) -> Damage:
    """Takes a file away."""
    return lambda path: (path / name).unlink()


def link(name: str, target: str) -> Damage:
    """Puts a symbolic link there."""
    return lambda path: (path / name).symlink_to(target)


def edit(name: str, **keys: Any) -> Damage:
    """Sets keys of a JSON file."""

    def damage(path: Path) -> None:
        tree = json.loads((path / name).read_text(encoding="utf-8"))
        (path / name).write_text(json.dumps({**tree, **keys}), encoding="utf-8")

    return damage


def header(change: Callable[[dict[str, Any]], object], name: str = UNET) -> Damage:
    """Changes the header of a safetensors file, and leaves its data as it is."""

    def damage(path: Path) -> None:
        content = (path / name).read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        tree = json.loads(content[8:start])
        change(tree)
        text = json.dumps(tree).encode()
        (path / name).write_bytes(len(text).to_bytes(8, "little") + text + content[start:])

    return damage


def both(*damages: Damage) -> Damage:
    """One after the other."""

    def damage(path: Path) -> None:
        for each in damages:
            each(path)

    return damage


def overflow(name: str) -> Damage:
    """Adds an empty tensor whose shape, multiplied from the left, is no number of 64 bits."""

    def change(tree: dict[str, Any]) -> None:
        end = max(entry["data_offsets"][1] for key, entry in tree.items() if key != "__metadata__")
        tree["huge"] = {"dtype": "F32", "shape": [2**62, 2**62, 0], "data_offsets": [end, end]}

    return header(change, name)


def cut(bytes_left: int, name: str = UNET) -> Damage:
    """Cuts a file: to so many bytes, or by so many when negative."""
    return lambda path: (path / name).write_bytes((path / name).read_bytes()[:bytes_left])


def poison(value: float, dtype: type[np.floating[Any]] = np.float32) -> Damage:
    """Sets one weight of the denoiser to `value`, in the middle of the file."""

    def damage(path: Path) -> None:
        tensors = {k: v.astype(dtype) for k, v in load_file(path / UNET).items()}
        middle = sorted(tensors)[len(tensors) // 2]
        tensors[middle].flat[-1] = value
        save_file(tensors, path / UNET)

    return damage


def shard(weight_map: Callable[[dict[str, str]], dict[str, str]] = dict, keep: bool = False) -> Damage:
    """Splits the denoiser's weights into two files with an index; `weight_map` may change its map."""

    def damage(path: Path) -> None:
        tensors = load_file(path / UNET)
        names = sorted(tensors)
        halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for file, held in halves.items():
            save_file({n: tensors[n] for n in held}, path / "unet" / file, metadata={"format": "pt"})
        index = {"metadata": {}, "weight_map": weight_map({n: f for f, held in halves.items() for n in held})}
        (path / f"{UNET}.index.json").write_text(json.dumps(index), encoding="utf-8")
        if not keep:
            (path / UNET).unlink()

    return damage
