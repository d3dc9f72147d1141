"""A tiny random CLIP as the judge, and folders of training pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from burnish.measure.judge import Judge, open_judge
from tests.measure.conftest import draw_icons, write_clip


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """The tiny CLIP, opened."""
    return open_judge(write_clip(tmp_path_factory.mktemp("judge") / "clip"))


def write_folder(directory: Path, trained: int = 30, held_out: int = 24) -> np.ndarray:
    """A folder of drawn icons with captions; the pictures (n, 32, 32, 3), trained ones first."""
    icons = draw_icons(trained + held_out, side=32)
    lines = []
    for k, icon in enumerate(icons):
        name = f"{k:03}.png" if k < trained else f"held-out/{k:03}.png"
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(icon).save(directory / name)
        letters = " ".join(chr(97 + k // 26**j % 26) for j in range(2))
        lines.append(json.dumps({"file_name": name, "text": letters}))
    (directory / "metadata.jsonl").write_text("\n".join(lines))
    return icons
