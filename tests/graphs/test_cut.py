"""A denoiser in pieces is the same function, and no weight is in two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest

from burnish.core.errors import PlanError
from burnish.graphs import captures, cut, cuts, lower
from tests.conftest import DDPM, DIT, SD, Stores

PIECES = {
    SD: ("context", "modulation", "denoiser"),
    DIT: ("context", "modulation", "denoiser"),
    DDPM: ("modulation", "denoiser"),
}


@pytest.fixture(scope="module")
def whole(store: Stores) -> Any:
    """The denoiser of a family as one graph, and inputs of two batches."""

    def of(name: str) -> tuple[Any, list[dict[str, np.ndarray]]]:
        captured = captures(store(name).model)[0]
        inputs = [captured.examples, captured.unseen]
        return lower(captured), [{k: v.numpy() for k, v in each.items()} for each in inputs]

    return of


def computed(model: Any, wires: dict[str, Any]) -> dict[str, Any]:
    """What a graph gives of the wires it takes, in fp32."""
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    taken = {port.get_node().get_friendly_name(): None for port in model.inputs}
    found = compiled({name: wires[name] for name in taken})
    return {name: np.array(found[name]) for name in (port.get_any_name() for port in model.outputs)}


def weights(model: Any) -> list[bytes]:
    """Every constant of more than 64 numbers."""
    constants = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
    return [np.array(op.data).tobytes() for op in constants if np.prod(op.get_output_shape(0)) > 64]


def require_same(model: Any, batches: list[dict[str, Any]], deep: str) -> tuple[str, ...]:
    """The pieces in a row give the whole's output, and hold its weights once; returns their roles."""
    pieces = cut(model, deep)
    for given in batches:
        wires = dict(given)
        for piece in pieces:
            wires |= computed(piece.model, wires)
        expected = computed(model, given)["output"]
        assert np.abs(wires["output"] - expected).max() <= 1e-5 * np.abs(expected).max()
    held = [w for piece in pieces for w in weights(piece.model)]
    assert sorted(held) == sorted(weights(model))
    return tuple(piece.role for piece in pieces)


@pytest.mark.parametrize("name", PIECES)
def test_what_a_text_and_a_call_decide_is_computed_apart(name: str, whole: Any) -> None:
    """Context, modulation and the rest give together what the whole gives, whatever the batch."""
    model, batches = whole(name)
    assert require_same(model, batches, "") == PIECES[name]


@pytest.mark.parametrize("name", [SD, DDPM])
def test_a_unet_is_cut_at_every_depth(name: str, whole: Any) -> None:
    """Down, deep and up are the whole again; deeper cuts leave less of it to the deep piece."""
    model, batches = whole(name)
    places = cuts(model)
    assert len(places) >= 3
    sizes = []
    for place in places:
        assert require_same(model, batches, place)[-3:] == ("down", "deep", "up")
        deep = next(piece for piece in cut(model, place) if piece.role == "deep")
        sizes.append(sum(map(len, weights(deep.model))))
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)


def test_other_deep_features_change_the_output(whole: Any) -> None:
    """Up uses what it is given for deep features, and down does not need them."""
    model, (given, _) = whole(SD)
    pieces = {piece.role: piece for piece in cut(model, cuts(model)[0])}
    wires = dict(given)
    for role in ("context", "modulation", "down", "deep", "up"):
        wires |= computed(pieces[role].model, wires)
    (deep,) = pieces["deep"].outputs
    other = computed(pieces["up"].model, wires | {deep: 2 * wires[deep]})
    assert not np.allclose(other["output"], wires["output"])


def test_no_cut_is_made_where_there_is_none(whole: Any) -> None:
    """A place that is not in the denoiser, or that does not see the state, is refused."""
    model, _ = whole(SD)
    for place in ("nowhere", "time_proj"):
        with pytest.raises(PlanError, match="cannot be cut"):
            cut(model, place)
