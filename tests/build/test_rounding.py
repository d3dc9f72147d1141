"""Bundles with weights in few bits and merged tokens: what becomes smaller, and what stays near."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from burnish.build import build, check_plan
from burnish.build.calibration import Conditions, record
from burnish.build.token_merging import merged
from burnish.core.bundle import MANIFEST, Bundle, Graph, Parity
from burnish.core.errors import PlanError
from burnish.core.plan import Plan, Weights
from burnish.graphs.compress import compress
from burnish.runtime import Pipeline
from burnish.runtime.graphs import CompiledGraph
from tests.conftest import DDPM, DIT, SD, STEPS, Bundles, Stores, asked, psnr
from tests.graphs.small_graphs import graph, small

SEEDS = (7, 8)
WORDS = Conditions(prompts=("a red apple", "a cat"))
FEW = {"int8": ov.Type.i8, "int4": ov.Type.i4}


def made(store: Stores, name: str, folder: Path, **changes: Any) -> Pipeline:
    """A bundle of few steps with these changes, opened."""
    plan = Plan(**{"num_inference_steps": STEPS, "guidance_scale": 3.0, **changes})
    build(store(name), plan, folder, conditions=WORDS)
    return Pipeline(folder)


def bits(bundle: Path, role: str) -> set[str]:
    """The integer types that the weights of a graph are stored in."""
    graph = ov.Core().read_model(bundle / f"{role}.xml")
    types = [op.get_element_type() for op in graph.get_ordered_ops() if op.get_type_name() == "Constant"]
    return {name for name, kind in FEW.items() if kind in types}


@pytest.mark.parametrize(
    ("weights", "of_denoiser", "nearest"), [("int8", {"int8"}, 30.0), ("int4", {"int4", "int8"}, 17.0)]
)
def test_weights_in_few_bits_are_smaller_and_near(
    weights: Weights, of_denoiser: set[str], nearest: float, store: Stores, bundle: Bundles, tmp_path: Path
) -> None:
    """Every graph with weights has them in integers, in fewer bytes; 4 bits are the denoiser's alone."""
    exact = bundle(SD)
    pipeline = made(store, SD, tmp_path / "few", weights=weights)
    others = ("text_encoder", "decoder", "image_encoder")
    assert bits(tmp_path / "few", "denoiser") == of_denoiser
    assert all(bits(tmp_path / "few", role) == {"int8"} for role in others)
    assert not any(bits(exact, role) for role in (*others, "denoiser"))
    for role in (*others, "denoiser"):
        small, whole = ((d / f"{role}.bin").stat().st_size for d in (tmp_path / "few", exact))
        assert small < 0.5 * whole
    expected = Pipeline(exact).generate(asked(SD, *SEEDS))
    found = pipeline.generate(asked(SD, *SEEDS))
    assert all(nearest < psnr(a, b) < 60 for a, b in zip(found, expected, strict=True))


def test_parity_says_what_rounding_and_merging_cost(store: Stores, bundle: Bundles, tmp_path: Path) -> None:
    """In fp32 the manifest's parity is rounding alone for the plain plan, and what was lost for others."""
    exact = {g.role: g.parity.relative_error for g in Bundle.read(bundle(SD) / MANIFEST).graphs}
    few = {g.role: g for g in made(store, SD, tmp_path / "few", weights="int8").bundle.graphs}
    fewer = {g.role: g for g in made(store, SD, tmp_path / "merged", token_merging=0.75).bundle.graphs}
    for role in ("text_encoder", "denoiser", "decoder"):
        assert exact[role] < 1e-5 < 1e-3 < few[role].parity.relative_error < 0.1
        assert few[role].precision == "fp32"
    assert 1e-3 < fewer["denoiser"].parity.relative_error < 1
    assert fewer["decoder"].parity.relative_error == exact["decoder"]


def test_an_int8_decoder_is_near_and_its_ends_stay(store: Stores, bundle: Bundles, tmp_path: Path) -> None:
    """The first and last convolutions are as they were; the same latents give nearly the same pictures."""
    pipeline, exact = made(store, SD, tmp_path / "int8", precision="int8"), Pipeline(bundle(SD))
    graph = ov.Core().read_model(tmp_path / "int8" / "decoder.xml")
    convolutions = [op for op in graph.get_ordered_ops() if op.get_type_name() == "Convolution"]
    floating = {
        op.get_friendly_name().rpartition("/aten")[0].rpartition(".")[2]
        for op in convolutions
        if not any("fq" in op.input_value(k).get_node().get_friendly_name() for k in (0, 1))
    }
    assert floating == {"post_quant_conv", "conv_in", "conv_out"}
    assert len(convolutions) > 3
    latents = exact.decoder_input(exact.latents(asked(SD, *SEEDS)))
    (ours,), (theirs,) = (p.graphs["decoder"]({"sample": latents}).values() for p in (pipeline, exact))
    assert 1e-4 < np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.05


def test_in_int8_all_weights_have_eight_bits(store: Stores, bundle: Bundles, tmp_path: Path) -> None:
    """What has no products in int8 has its weights in 8 bits too."""
    pipeline = made(store, SD, tmp_path / "int8", precision="int8")
    found = {g.role: g.precision for g in pipeline.bundle.graphs}
    assert (found["denoiser"], found["decoder"], found["text_encoder"]) == ("int8", "int8", "fp32")
    for role in ("text_encoder", "image_encoder", "decoder", "denoiser"):
        small, whole = ((d / f"{role}.bin").stat().st_size for d in (tmp_path / "int8", bundle(SD)))
        assert small < 0.6 * whole


@pytest.mark.parametrize("name", [SD, DDPM, DIT])
def test_merged_tokens_draw_another_picture_that_is_near(
    name: str, store: Stores, bundle: Bundles, tmp_path: Path
) -> None:
    """The denoiser alone changes; the more tokens are merged the more, and the pictures stay alike."""
    exact = Pipeline(bundle(name)).generate(asked(name, *SEEDS)).astype(float)
    errors = []
    for share in (0.5, 0.75):
        pipeline = made(store, name, tmp_path / f"{share}", token_merging=share)
        errors.append(float(np.linalg.norm(pipeline.generate(asked(name, *SEEDS)) - exact)))
        changed = {
            g.role
            for g in pipeline.bundle.graphs
            if (tmp_path / f"{share}" / g.file).read_bytes() != (bundle(name) / g.file).read_bytes()
        }
        assert changed == {"denoiser"}
    assert 0 < errors[0] < errors[1] < 0.5 * float(np.linalg.norm(exact - exact.mean()))


def test_a_merged_denoiser_is_cut_and_takes_any_size(store: Stores, tmp_path: Path) -> None:
    """In three pieces with merged tokens a bundle draws what it draws in one, at another size too."""
    whole = made(store, SD, tmp_path / "whole", token_merging=0.75)
    for depth in (1, 2):
        pieces = made(store, SD, tmp_path / f"{depth}", token_merging=0.75, cut=depth)
        assert {"down", "deep", "up"} <= set(pieces.graphs)
        for size in ({}, {"height": 40, "width": 24}):
            assert np.array_equal(
                pieces.generate(asked(SD, *SEEDS, **size)), whole.generate(asked(SD, *SEEDS, **size))
            )


def test_int8_is_calibrated_on_merged_graphs(store: Stores, tmp_path: Path) -> None:
    """What is recorded along a trajectory is what the merged denoiser meets, and its int8 is near it."""
    plan = Plan(num_inference_steps=STEPS, guidance_scale=3.0, precision="int8", token_merging=0.75)
    pipeline = made(store, SD, tmp_path / "int8", precision="int8", token_merging=0.75)
    plain = plan.model_copy(update={"token_merging": 0.0})
    seen, other = (record(store(SD), p, pipeline.program, WORDS)["denoiser"] for p in (plan, plain))
    # The first call of every trajectory is on noise alone; the last on what all others made of it.
    assert np.array_equal(seen[0]["sample"], other[0]["sample"])
    assert not np.array_equal(seen[-1]["sample"], other[-1]["sample"])
    exact = made(store, SD, tmp_path / "merged", token_merging=0.75)
    ours, theirs = (p.graphs["denoiser"](seen[-1])["output"] for p in (pipeline, exact))
    assert 1e-4 < np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 0.25


def test_int4_pieces_of_a_cut_are_rounded_too(store: Stores, tmp_path: Path) -> None:
    """Where deep features are kept, each of three pieces has its weights in 4 bits."""
    pipeline = made(store, SD, tmp_path / "cut", weights="int4", cut=1, fresh_calls=3)
    assert all("int4" in bits(tmp_path / "cut", role) for role in ("deep", "up"))
    assert np.isfinite(pipeline.generate(asked(SD))).all()


def test_rounded_graphs_are_kept(store: Stores, tmp_path: Path) -> None:
    """Built again, a plan with 4 bits makes nothing again; another share of tokens makes another folder."""
    made(store, SD, tmp_path / "one", weights="int4")
    before = {p: p.stat().st_mtime_ns for p in store(SD).root.rglob("*.xml")}
    made(store, SD, tmp_path / "two", weights="int4")
    assert {p: p.stat().st_mtime_ns for p in store(SD).root.rglob("*.xml")} == before
    assert (tmp_path / "one" / "denoiser.bin").read_bytes() == (
        tmp_path / "two" / "denoiser.bin"
    ).read_bytes()
    made(store, SD, tmp_path / "three", weights="int4", token_merging=0.5)
    assert (tmp_path / "three" / "denoiser.xml").read_bytes() != (
        tmp_path / "one" / "denoiser.xml"
    ).read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": "int4", "precision": "int8"}, "weights does not apply: precision int8 stores all"),
        ({"weights": "int8", "precision": "int8"}, "weights does not apply: precision int8 stores all"),
        ({"token_merging": 0.3}, "token_merging does not apply: neighbours merge 0.5 or 0.75"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], words: str, store: Stores) -> None:
    """The error names the technique and the reason before anything is built."""
    with pytest.raises(PlanError, match=words):
        check_plan(Plan(**changes), store(SD).model.card)


class Joint(torch.nn.Module):
    """Attention of a picture and two tokens of a text together, as in Flux."""

    def forward(self, sample: torch.Tensor) -> torch.Tensor:
        """(b, 8, h, w) -> (b, 8, h, w)."""
        batch, _, height, width = sample.shape
        picture = sample.flatten(2).reshape(batch, 2, 4, -1).transpose(2, 3)
        both = torch.cat([picture, picture[:, :, :2] * 2], dim=2)
        out = torch.nn.functional.scaled_dot_product_attention(both, both, both)[:, :, 2:]
        return out.transpose(2, 3).reshape(batch, -1, height, width)


def test_nothing_to_merge_is_refused() -> None:
    """A denoiser without attention, or with a text's tokens beside the picture's in it, merges none."""
    for model in (small(), graph(Joint(), torch.zeros(1, 8, 8, 8))):
        assert merged(model, 0.0) is model
        with pytest.raises(PlanError, match="token_merging does not apply: no self-attention"):
            merged(model, 0.75)


def test_a_plan_says_its_bits_and_its_tokens() -> None:
    """The one line of a plan names both, and neither where there is none."""
    plan = Plan(num_inference_steps=8, weights="int4", token_merging=0.75, precision="bf16")
    assert plan.describe() == (
        "own scheduler 8 steps, guidance 7.5, 75% of the tokens merged, bf16, weights in int4"
    )
    assert Plan().describe() == "own scheduler 50 steps, guidance 7.5, fp32"


def test_nothing_else_is_rounded_when_it_runs(tmp_path: Path) -> None:
    """Weights that 8 bits hold exactly give in fp32 what numpy gives: inputs are not rounded too."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-128, 128, (64, 64)) * 2.0**-7
    weight[:, 0] = -1.0  # the whole range is used in every row
    x = rng.standard_normal((1, 16, 64)).astype(np.float32)
    given = ops.parameter([-1, 16, 64], np.float32, "sample")
    given.output(0).get_tensor().set_names({"sample"})
    product = ops.matmul(given, ops.constant(weight.astype(np.float32)), False, True)
    product.output(0).get_tensor().set_names({"image"})
    ov.save_model(compress(ov.Model([product], [given], "g")), tmp_path / "decoder.xml")
    assert bits(tmp_path, "decoder") == {"int8"}
    told = Graph(
        role="decoder",
        file="decoder.xml",
        inputs=("sample",),
        outputs={"image": (16, 64)},
        precision="fp32",
        parity=Parity(relative_error=0.0, max_abs_error=0.0),
    )
    found = CompiledGraph(ov.Core(), tmp_path / "decoder.xml", told)({"sample": x})["image"]
    expected = x.astype(np.float64) @ weight.T
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)
