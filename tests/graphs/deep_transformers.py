"""Tiny random transformers of more blocks than tests otherwise need, so that there is a middle to cut out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch

from burnish.load import OpenedModel, open_model
from tests import tiny_models
from tests.conftest import unclipped

BLOCKS = 5
SIDE = 32
# Family: the sides at which its model is opened (None: its own), and how many blocks it gets.
FAMILIES: dict[str, tuple[int | None, dict[str, int]]] = {
    "class_conditional": (None, {"num_layers": BLOCKS}),
    "pixart_sigma": (None, {"num_layers": BLOCKS}),
    "stable_diffusion_3": (None, {"num_layers": BLOCKS}),
    "flux": (SIDE, {"num_layers": 2, "num_single_layers": BLOCKS - 2}),
}


def opened(name: str, path: Path) -> OpenedModel:
    """A model of a family of `tiny_models`, made below `path`, whose transformer has BLOCKS blocks."""
    getattr(tiny_models, name)(path)
    size, blocks = FAMILIES[name]
    folder = path / "transformer"
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    torch.manual_seed(9)
    transformer = getattr(diffusers, config["_class_name"]).from_config({**config, **blocks})
    tiny_models._shaken(transformer).save_pretrained(folder)
    if name == "class_conditional":
        unclipped(path)
    return open_model(path, size=size)
