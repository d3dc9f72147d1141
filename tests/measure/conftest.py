"""A tiny random CLIP as the judge, and pictures that look like icons."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from burnish.measure.judge import Judge, open_judge

SIDE = 32


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def write_clip(path: Path) -> Path:
    """A random CLIPModel directory (8 features, 32 pixels) whose tokenizer knows single letters."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    path.mkdir(parents=True)
    (path / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(words)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {"vocab_size": len(words), "max_position_embeddings": 16}
    config = CLIPConfig(
        text_config=text | {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
        vision_config=small | {"image_size": SIDE, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(path)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny CLIP."""
    return write_clip(tmp_path_factory.mktemp("judge") / "clip")


@pytest.fixture(scope="session")
def judge(clip: Path) -> Judge:
    """The tiny CLIP, opened."""
    return open_judge(clip)


def draw_icons(n: int, side: int = 64, seed: int = 0) -> np.ndarray:
    """(n, side, side, 3) uint8: some coloured shapes with outlines on white."""
    rng = np.random.default_rng(seed)
    icons = []
    for _ in range(n):
        image = Image.new("RGB", (side, side), "white")
        pen = ImageDraw.Draw(image)
        for shape in ("ellipse", "rectangle", "ellipse"):
            x, y = rng.integers(0, side // 2, 2)
            w, h = rng.integers(side // 6, side // 2, 2)
            fill = tuple(int(c) for c in rng.integers(20, 236, 3))
            getattr(pen, shape)([int(x), int(y), int(x + w), int(y + h)], fill=fill, outline="black")
        icons.append(np.asarray(image))
    return np.stack(icons)


@pytest.fixture(scope="session")
def icons() -> np.ndarray:
    """Sixty-four drawn icons, (64, 64, 64, 3) uint8."""
    return draw_icons(64)
