"""A bundle that PyTorch runs: the pictures of diffusers, weights in safetensors, modules checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from burnish.build import GraphStore, build
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError
from burnish.core.noise import noise
from burnish.core.plan import Plan
from burnish.load import open_model, reference_pipeline
from burnish.runtime import Pipeline, Request
from burnish.torch_runtime import TorchGraph, open_graphs
from burnish.torch_runtime.modules import modules
from tests import tiny_models
from tests.conftest import DDPM, DIT, SD, STEPS, Bundles, asked, psnr
from tests.runtime import damage

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch knows")
TEXTS: dict[str, tuple[Callable[[Path], Path], int | None]] = {
    "stable_diffusion_xl": (tiny_models.stable_diffusion_xl, None),
    "stable_diffusion_3": (tiny_models.stable_diffusion_3, None),
    "pixart_sigma": (tiny_models.pixart_sigma, None),
    "flux": (tiny_models.flux, 64),
}


def test_it_draws_what_diffusers_draws(bundle: Bundles, unclipped_models: dict[str, Path]) -> None:
    """Same noise, prompt and steps: the stock pipeline's picture, up to rounding to 256 levels."""
    stock = reference_pipeline(unclipped_models[SD])
    start = torch.from_numpy(noise((7,), (4, 8, 8)))
    expected = stock(
        prompt="a red apple",
        latents=start,
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        output_type="np",
    ).images
    ours = Pipeline(bundle(SD, runtime="torch")).generate(asked(SD, 7))
    assert psnr(ours, 255 * np.asarray(expected)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_every_family_draws_what_its_openvino_bundle_draws(name: str, tmp_path: Path) -> None:
    """Joined by the same wires, the modules give the pictures that the static graphs give."""
    make, size = TEXTS[name]
    store = GraphStore(open_model(make(tmp_path / "model"), size=size), tmp_path / "graphs")
    request, pictures = Request(seeds=(7,), prompts=("red apple",)), []
    for runtime in ("openvino", "torch"):
        plan = Plan(num_inference_steps=2, guidance_scale=3.0, runtime=runtime)  # type: ignore[arg-type]
        build(store, plan, tmp_path / runtime)
        pictures.append(Pipeline(tmp_path / runtime).generate(request))
    assert psnr(*pictures) > 50


def test_the_bundle_holds_weights_once_and_nothing_that_runs(bundle: Bundles) -> None:
    """Safetensors, JSON and text alone; every file has its digest."""
    directory = bundle(SD, runtime="torch")
    files = {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}
    assert {Path(name).suffix for name in files} <= {".json", ".txt", ".safetensors"}
    assert files - {MANIFEST} == set(Bundle.read(directory / MANIFEST).files)
    weights = [name for name in files if name.endswith(".safetensors")]
    assert len(weights) == len({name.split("/")[1] for name in weights}) == 3


def other_widths(directory: Path) -> None:
    """Makes the denoiser's config one that its weights do not fit."""
    damage.rewritten("model/unet/config.json", lambda c: c.update(block_out_channels=[16, 48]))(directory)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another config": (other_widths, "unet"),
    "a key that loads code": (
        damage.rewritten("model/unet/config.json", lambda c: c.update(auto_map={"AutoModel": "evil.py"})),
        "auto_map",
    ),
    "another class": (
        damage.rewritten("model/model_index.json", lambda i: i.update(unet=["evil", "UNet"])),
        "evil",
    ),
    "another prediction": (damage.model(prediction_type="v_prediction"), "prediction_type"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_model_that_does_not_pass_is_refused(name: str, copied: Bundles) -> None:
    """The directory within is checked as any model, though its digests fit, and must be the bundle's."""
    spoil, said = DAMAGES[name]
    directory = copied(SD, runtime="torch")
    _own(directory)
    spoil(directory)
    with pytest.raises(BundleError, match=said):
        Pipeline(directory)


def _own(directory: Path) -> None:
    """Files of a copy's own, so that writing one spoils no other."""
    for path in directory.rglob("*.json"):
        text = path.read_text()
        path.unlink()
        path.write_text(text)


def test_compiled_code_gives_what_eager_code_gives(bundle: Bundles) -> None:
    """On a CPU too, where it is asked for; a graph of a few operators, as compiling takes its time."""
    directory = bundle(DIT, runtime="torch")
    opened = Bundle.read(directory / MANIFEST)
    wires = {"timestep": np.array([10.0, 900.0], dtype=np.float32)}
    eager, compiled = (
        open_graphs(directory, opened, compiled=which)["time_proj"](wires)["time_proj"]
        for which in (False, True)
    )
    assert np.abs(eager - compiled).max() < 1e-4  # sines of up to 900 radians, whose last bit is 6e-5
    assert np.ptp(eager) > 1.0


def test_threads_are_put_back(bundle: Bundles) -> None:
    """A graph with threads of its own leaves PyTorch's setting as it was, and so does one that fails."""
    directory = bundle(DDPM, runtime="torch")
    graph = open_graphs(directory, Bundle.read(directory / MANIFEST), threads=2)["denoiser"]
    before = torch.get_num_threads()
    with pytest.raises(BundleError, match="cannot be run on its inputs") as caught:
        graph({"sample": np.zeros((1, 5, 8, 8), np.float32), "time_proj": np.zeros((1, 16), np.float32)})
    assert torch.get_num_threads() == before
    assert "\n" not in str(caught.value)


def test_a_graph_that_gives_another_shape_is_refused(bundle: Bundles) -> None:
    """What the manifest says of a wire holds for modules as it does for files."""
    directory = bundle(DDPM, runtime="torch")
    graph = Bundle.read(directory / MANIFEST).graph("time_proj")
    assert graph is not None
    module = modules(open_model(directory / "model"))["time_proj"]
    narrow = graph.model_copy(update={"outputs": {"time_proj": (3,)}})
    with pytest.raises(BundleError, match="gives time_proj of"):
        TorchGraph(module, narrow)({"timestep": np.array([1.0], dtype=np.float32)})


def test_int8_is_near_where_torchao_is(bundle: Bundles) -> None:
    """Linear layers in int8, the rest in bf16: further off than bf16 alone, and a picture all the same."""
    pytest.importorskip("torchao")
    parities = []
    for precision in ("bf16", "int8"):
        directory = bundle(DIT, runtime="torch", precision=precision)
        graph = Bundle.read(directory / MANIFEST).graph("denoiser")
        assert graph is not None
        parities.append(graph.parity.relative_error)
    assert parities[0] < parities[1] < 0.3
    exact = Pipeline(bundle(DIT)).generate(asked(DIT))
    assert psnr(Pipeline(bundle(DIT, runtime="torch", precision="int8")).generate(asked(DIT)), exact) > 15


def test_the_directory_within_is_a_model_of_its_own(bundle: Bundles) -> None:
    """It opens by itself, and names no part that is not run."""
    directory = bundle(SD, runtime="torch")
    index: dict[str, Any] = json.loads((directory / "model" / "model_index.json").read_text())
    assert "safety_checker" not in index
    assert open_model(directory / "model").card.latent_shape == (4, 8, 8)


@cuda
@pytest.mark.cuda
def test_a_gpu_draws_what_a_cpu_draws(bundle: Bundles) -> None:
    """Compiled and on the GPU, in fp32: at most rounding lies between it and OpenVINO's picture."""
    pipeline = Pipeline(bundle(SD, runtime="torch"))
    assert pipeline.graphs["denoiser"]._device.type == "cuda"
    assert psnr(pipeline.generate(asked(SD, 7, 8)), Pipeline(bundle(SD)).generate(asked(SD, 7, 8))) > 40


@cuda
@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_gpu_draws_in_few_bits(precision: str, bundle: Bundles) -> None:
    """Both are pictures near those in fp32."""
    if precision == "int8":
        pytest.importorskip("torchao")
    ours = Pipeline(bundle(SD, runtime="torch", precision=precision)).generate(asked(SD))
    assert psnr(ours, Pipeline(bundle(SD)).generate(asked(SD))) > 15
