"""Tiny models made once a session, and copies of them to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests import tiny_models

Copy = Callable[[str], Path]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny models by the name of their maker; not to be written to."""
    root = tmp_path_factory.mktemp("models")
    makers = (
        tiny_models.stable_diffusion,
        tiny_models.unconditional,
        tiny_models.class_conditional,
        tiny_models.stable_diffusion_xl,
        tiny_models.stable_diffusion_3,
        tiny_models.flux,
        tiny_models.pixart_alpha,
        tiny_models.pixart_sigma,
    )
    return {make.__name__: make(root / make.__name__) for make in makers}


@pytest.fixture
def copy(models: dict[str, Path], tmp_path: Path) -> Copy:
    """Makes a copy of one tiny model that a test may damage."""
    return lambda name: Path(shutil.copytree(models[name], tmp_path / name))
