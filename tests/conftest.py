"""Tiny models, captured once a session, and bundles of them; caches of the tests' own; one thread."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from burnish.build import GraphStore, build
from burnish.core.model import Device, Rate
from burnish.core.plan import Plan
from burnish.load import open_model
from burnish.runtime import Pipeline, Request
from tests import tiny_models

SD, DIT, DDPM = "stable_diffusion", "class_conditional", "unconditional"
FAMILIES = (SD, DIT, DDPM)
STEPS = 6
Stores = Callable[[str], GraphStore]
Bundles = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Whatever tests keep between processes goes to a folder of the session; torch has one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CACHE", "CONFIG", "DATA", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.mktemp(kind.lower())))
        patch.delenv("BURNISH_REGISTRY", raising=False)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield Path(os.environ["XDG_CACHE_HOME"])
    torch.set_num_threads(threads)


def unclipped(model: Path, **changes: Any) -> Path:
    """Saves the model's scheduler without clipping, which no table has, so that stock pipelines compare."""
    path = model / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clip_sample": False} | changes))
    return model


def with_ddim(model: Path) -> Path:
    """Makes DDIM the scheduler of a DDPM model: deterministic, and DDPM stays a plan's choice."""
    index = model / "model_index.json"
    index.write_text(index.read_text().replace("DDPMScheduler", "DDIMScheduler"))
    return unclipped(model, _class_name="DDIMScheduler")


@pytest.fixture(scope="session")
def unclipped_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny models with schedulers that do not clip; not to be written to."""
    root = tmp_path_factory.mktemp("unclipped")
    return {
        SD: tiny_models.stable_diffusion(root / SD),
        DIT: unclipped(tiny_models.class_conditional(root / DIT)),
        DDPM: with_ddim(tiny_models.unconditional(root / DDPM)),
    }


@pytest.fixture(scope="session")
def store(unclipped_models: dict[str, Path], cache: Path) -> Stores:
    """The graphs of a tiny model, where the command line keeps them too: captured once a session."""
    made: dict[str, GraphStore] = {}

    def of(name: str) -> GraphStore:
        if name not in made:
            made[name] = GraphStore(open_model(unclipped_models[name]), cache / "burnish" / "graphs")
        return made[name]

    return of


@pytest.fixture(scope="session")
def bundle(store: Stores, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Builds a bundle of a tiny model, once for each plan; not to be written to."""
    made: dict[tuple[str, Plan], Path] = {}

    def of(name: str, **changes: Any) -> Path:
        plan = Plan(**{"num_inference_steps": STEPS, "guidance_scale": 3.0, **changes})
        if (name, plan) not in made:
            directory = tmp_path_factory.mktemp("bundles") / name
            build(store(name), plan, directory)
            made[name, plan] = directory
        return made[name, plan]

    return of


@pytest.fixture
def copied(bundle: Bundles, tmp_path: Path) -> Bundles:
    """A copy of a bundle that a test may damage."""
    return lambda name, **changes: Path(shutil.copytree(bundle(name, **changes), tmp_path / "copied"))


@pytest.fixture(scope="session")
def pipeline(bundle: Bundles) -> Pipeline:
    """The tiny Stable Diffusion model in fp32, opened."""
    return Pipeline(bundle(SD))


def asked(name: str, *seeds: int, **changes: Any) -> Request:
    """A request that fits a family."""
    own: dict[str, dict[str, Any]] = {
        SD: {"prompts": ("a red apple",)},
        DIT: {"class_labels": (3,)},
        DDPM: {},
    }
    return Request(seeds=seeds or (7,), **(own[name] | changes))


def device(fp32: float = 1.0, bf16: float = 0.5, int8: float = 0.5) -> Device:
    """A machine with rates as given; the default one is fastest in fp32."""
    rates = Rate(fp32=fp32, bf16=bf16, int8=int8)
    return Device(name="test", cores=1, memory_mib=1024.0, instruction_sets=(), gops=rates)


def psnr(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    """PSNR in dB of pictures in 0..255, infinite where they are equal."""
    error = np.square(ours.astype(np.float64) - theirs).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")
