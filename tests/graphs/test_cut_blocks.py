"""A transformer in pieces is the same function; its middle blocks can be left out, and add one wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from openvino import opset13 as ops

from burnish.graphs import captures, cut, cuts, lower
from burnish.graphs.capture import Capture
from tests.graphs.deep_transformers import BLOCKS, FAMILIES, SIDE, opened
from tests.graphs.test_cut import computed, weights

# Of the largest number: before + (after - before) is rounded twice.
ROUNDING = 2e-6
Whole = Callable[[str], tuple[Capture, Any]]
LISTS = ("transformer_blocks", "single_transformer_blocks")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The denoiser of a family, captured and as one graph; made once, and not to be changed for good."""
    made: dict[str, tuple[Capture, Any]] = {}

    def of(name: str) -> tuple[Capture, Any]:
        if name not in made:
            captured = captures(opened(name, tmp_path_factory.mktemp("blocks") / name))[0]
            made[name] = captured, lower(captured)
        return made[name]

    return of


def given(captured: Capture) -> list[dict[str, np.ndarray]]:
    """Inputs of two batches."""
    return [{k: v.numpy() for k, v in each.items()} for each in (captured.examples, captured.unseen)]


def run(pieces: Any, wires: dict[str, Any], **instead: Any) -> dict[str, Any]:
    """All wires after the pieces have run in a row; `deep` makes others of what the deep piece gave."""
    wires = dict(wires)
    for piece in pieces:
        found = computed(piece.model, wires)
        if piece.role == "deep" and "deep" in instead:
            found = {name: instead["deep"](value) for name, value in found.items()}
        wires |= found
    return wires


@pytest.mark.parametrize("name", FAMILIES)
def test_a_transformer_is_cut_between_its_blocks(name: str, whole: Whole) -> None:
    """At every depth the pieces give the whole's output to rounding; a deeper middle has fewer weights."""
    captured, model = whole(name)
    places = cuts(model)
    assert len(places) == (BLOCKS - 1) // 2
    sizes = []
    for place in places:
        pieces = cut(model, place)
        assert [piece.role for piece in pieces][-3:] == ["down", "deep", "up"]
        for wires in given(captured):
            expected = computed(model, wires)["output"]
            found = run(pieces, wires)["output"]
            assert np.abs(found - expected).max() <= ROUNDING * np.abs(expected).max()
        sizes.append(sum(map(len, weights(next(p for p in pieces if p.role == "deep").model))))
    assert sizes == sorted(set(sizes), reverse=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_wire_leaves_down_and_one_leaves_deep(name: str, whole: Whole) -> None:
    """The tokens of a picture and of a text are one wire; no piece that sees the state is told the time."""
    _, model = whole(name)
    pieces = {piece.role: piece for piece in cut(model, cuts(model)[0])}
    assert [len(pieces[role].outputs) for role in ("down", "deep", "up")] == [1, 1, 1]
    taken = [wire for role in ("down", "deep", "up") for wire in pieces[role].inputs]
    own = [wire for wire in taken if not wire.startswith(("context.", "modulation."))]
    down, deep = pieces["down"].outputs + pieces["deep"].outputs
    assert own == ["sample", down, down, deep] or own == ["sample", down, deep, down]


@pytest.mark.parametrize("name", FAMILIES)
def test_no_weight_is_in_two_pieces(name: str, whole: Whole) -> None:
    """Every weight is in one piece; only Flux's positions, a number a token and axis, are in each."""
    captured, model = whole(name)
    for place in cuts(model):
        held = sorted(w for piece in cut(model, place) for w in weights(piece.model))
        own = sorted(weights(model))
        assert sorted(set(held)) == sorted(set(own))
        again = {w for w in held if held.count(w) > own.count(w)}
        tokens = captured.examples["condition"].shape[1] + SIDE**2 // 64 if name == "flux" else 0
        assert [len(w) for w in again] == [8 * tokens] * (3 if name == "flux" else 0)  # in double precision


@pytest.mark.parametrize("name", FAMILIES)
def test_without_deep_features_the_middle_blocks_are_left_out(name: str, whole: Whole) -> None:
    """With zeros for deep features the output is that of PyTorch without the blocks in the middle."""
    captured, model = whole(name)
    wires = given(captured)[0]
    module: Any = captured.module
    lists = {n: getattr(module.model, n) for n in LISTS if hasattr(module.model, n)}
    for depth, place in enumerate(cuts(model), 1):
        found = run(cut(model, place), wires, deep=np.zeros_like)["output"]
        numbered = [(n, block) for n, blocks in lists.items() for block in blocks]
        kept = [*numbered[:depth], *numbered[BLOCKS - depth :]]
        try:
            for n in lists:
                setattr(module.model, n, torch.nn.ModuleList(block for m, block in kept if m == n))
            expected = captured.reference()["output"].numpy()
        finally:
            for n, blocks in lists.items():
                setattr(module.model, n, blocks)
        assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
        exact = captured.reference()["output"].numpy()
        assert np.abs(found - exact).max() > 1e-3 * np.abs(exact).max()


def two_streams(tokens: int, of_text: int) -> Any:
    """Three blocks in which a picture's tokens (b, tokens, 4) and a text's hear of each other."""
    rng = np.random.default_rng(0)
    sample = ops.parameter([-1, tokens, 4], ov.Type.f32, name="sample")

    def mixed(x: Any, weight: tuple[int, int], name: str) -> Any:
        return ops.matmul(
            ops.constant(rng.standard_normal(weight).astype(np.float32)), x, False, False, name=name
        )

    picture, text = sample, mixed(sample, (of_text, tokens), "m.embed/text")
    for k in range(3):
        at = f"m.blocks.{k}"
        heard = (
            mixed(text, (tokens, of_text), f"{at}.a/mul"),
            mixed(picture, (of_text, tokens), f"{at}.b/mul"),
        )
        picture = ops.add(picture, ops.tanh(heard[0], name=f"{at}.a/tanh"), name=f"{at}/a")
        text = ops.add(text, ops.tanh(heard[1], name=f"{at}.b/tanh"), name=f"{at}/b")
    last = ops.add(picture, mixed(text, (tokens, of_text), "m.head/mul"), name="m.head/add")
    result = ops.result(last, name="output")
    last.output(0).get_tensor().set_names({"output"})
    sample.output(0).get_tensor().set_names({"sample"})
    return ov.Model([result], [sample], "two streams")


def test_streams_that_cannot_be_told_apart_are_not_cut() -> None:
    """Two streams of unlike length are one wire; of two of one length it is not known which is which."""
    model = two_streams(6, 10)
    (place,) = cuts(model)
    wires = {"sample": np.random.default_rng(1).standard_normal((2, 6, 4)).astype(np.float32)}
    found = run(cut(model, place), wires)
    assert found["deep.0"].shape == (2, 16, 4)
    expected = computed(model, wires)["output"]
    assert np.abs(found["output"] - expected).max() <= ROUNDING * np.abs(expected).max()
    assert cuts(two_streams(8, 8)) == ()
