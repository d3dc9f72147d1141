"""Bundles of ONNX Runtime and PyTorch draw the pictures that OpenVINO's bundles draw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.build import build, check_plan
from burnish.build.exact import exact_pipeline
from burnish.core.bundle import Bundle
from burnish.core.errors import BundleError, PlanError
from burnish.core.plan import Plan, Runtime
from burnish.runtime import Pipeline
from tests.conftest import DDPM, DIT, FAMILIES, SD, Bundles, Stores, asked, psnr

OTHERS: tuple[Runtime, ...] = ("onnxruntime", "torch")
FAINT_DB = 50.0  # a level of 256 in a few pixels of a hundred, which rounding to pictures makes


@pytest.mark.parametrize("runtime", OTHERS)
@pytest.mark.parametrize("name", FAMILIES)
def test_another_engine_draws_the_same_pictures(name: str, runtime: Runtime, bundle: Bundles) -> None:
    """Same plan, prompts and seeds: at most a level of 256 lies between the two engines in fp32."""
    ours = Pipeline(bundle(name, runtime=runtime)).generate(asked(name, 7, 8))
    theirs = Pipeline(bundle(name)).generate(asked(name, 7, 8))
    assert ours.shape == theirs.shape
    assert psnr(ours, theirs) > FAINT_DB
    assert np.ptp(theirs.astype(int)) > 50  # it is a picture


def test_a_cut_denoiser_keeps_deep_features_in_onnx_runtime(bundle: Bundles) -> None:
    """Three pieces in ONNX skip the deep one where the table says so, and draw what OpenVINO's three draw."""
    changes: dict[str, Any] = {"cut": 2, "fresh_calls": 3}
    ours = Pipeline(bundle(SD, runtime="onnxruntime", **changes))
    theirs = Pipeline(bundle(SD, **changes))
    ran: list[str] = []
    seen = ours.observed(lambda role, _: ran.append(role)).with_program(theirs.program)
    assert psnr(seen.generate(asked(SD)), theirs.generate(asked(SD))) > FAINT_DB
    assert ran.count("deep") == theirs.program.fresh_passes < ran.count("up")


def test_int8_in_onnx_runtime_is_near_and_not_the_same(bundle: Bundles) -> None:
    """Calibrated on its own trajectories, int8 is further off than rounding and nearer than a half."""
    directory = bundle(SD, runtime="onnxruntime", precision="int8")
    graph = Bundle.read(directory / "bundle.json").graph("denoiser")
    assert graph is not None
    assert graph.precision == "int8"
    assert 1e-4 < graph.parity.relative_error < 0.5
    exact = (bundle(SD, runtime="onnxruntime") / "denoiser.bin").stat().st_size
    assert (directory / "denoiser.bin").stat().st_size < 0.5 * exact
    assert psnr(Pipeline(directory).generate(asked(SD)), Pipeline(bundle(SD)).generate(asked(SD))) > 15


def test_bf16_in_pytorch_is_near_and_leaves_the_model_as_it_was(bundle: Bundles, store: Stores) -> None:
    """A bundle in bf16 says how far it is; the model that it was built of still computes in fp32."""
    graph = Bundle.read(bundle(SD, runtime="torch", precision="bf16") / "bundle.json").graph("denoiser")
    assert graph is not None
    assert 1e-4 < graph.parity.relative_error < 0.1
    assert {str(p.dtype) for p in store(SD).model.denoiser.parameters()} == {"torch.float32"}


def test_tables_are_learned_with_the_engine_that_runs_them(store: Stores) -> None:
    """What a plan is calibrated on are graphs of its own engine: the wires are those that int8 will see."""
    with exact_pipeline(store(DIT), Plan(num_inference_steps=2, runtime="onnxruntime")) as pipeline:
        assert {graph.file for graph in pipeline.bundle.graphs} > {"denoiser.onnx", "modulation.onnx"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtime": "onnxruntime", "precision": "bf16"}, "no bf16"),
        ({"runtime": "onnxruntime", "token_merging": 0.5}, "token_merging is for OpenVINO"),
        ({"runtime": "torch", "streams": 2}, "streams is for OpenVINO"),
        ({"runtime": "torch", "cut": 1}, "in one piece"),
    ],
)
def test_what_an_engine_does_not_have_is_refused(changes: dict[str, Any], reason: str, store: Stores) -> None:
    """A plan that another engine cannot follow is refused before anything is built, and says why."""
    with pytest.raises(PlanError, match=reason):
        check_plan(Plan(**changes), store(SD).model.card)


def test_a_cut_that_is_not_there_is_refused(store: Stores, tmp_path: Path) -> None:
    """The denoiser in ONNX has as many cuts as in OpenVINO, and no more."""
    depths = len(store(DDPM).depths)
    build(store(DDPM), Plan(num_inference_steps=1, runtime="onnxruntime", cut=depths), tmp_path / "deepest")
    with pytest.raises(PlanError, match=f"deepest is {depths}"):
        build(
            store(DDPM), Plan(num_inference_steps=1, runtime="onnxruntime", cut=depths + 1), tmp_path / "no"
        )


def test_a_stranger_in_the_model_directory_is_refused(copied: Bundles) -> None:
    """A bundle of PyTorch with a file that its manifest does not name is not opened."""
    directory = copied(DDPM, runtime="torch")
    (directory / "model" / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"model/notes\.txt has no digest"):
        Pipeline(directory)


def test_a_plan_says_its_engine() -> None:
    """OpenVINO goes without saying; another engine is named."""
    assert "run by" not in Plan().describe()
    assert Plan(runtime="torch").describe().endswith("run by torch")
