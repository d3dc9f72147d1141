"""Every family's graphs in ONNX are the functions that PyTorch has, whole and in pieces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from burnish.core.errors import PlanError
from burnish.graphs import Capture, captures
from burnish.graphs.onnx import OPSET, export, save
from burnish.graphs.onnx_cut import cut, cuts
from burnish.graphs.onnx_shapes import BATCH, settled
from burnish.load import OpenedModel, open_model
from burnish.runtime.onnx import session
from tests import tiny_models
from tests.conftest import DDPM, SD, Stores

NEAR = 5e-6  # of the greatest number, in fp32
MORE: dict[str, tuple[Callable[[Path], Path], int | None]] = {
    "stable_diffusion_xl": (tiny_models.stable_diffusion_xl, None),
    "stable_diffusion_3": (tiny_models.stable_diffusion_3, None),
    "pixart_sigma": (tiny_models.pixart_sigma, None),
    "pixart_alpha": (tiny_models.pixart_alpha, 64),
    "flux": (tiny_models.flux, 64),
}
Arrays = dict[str, Any]


@pytest.fixture(scope="module")
def model(store: Stores, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], OpenedModel]:
    """A tiny model of a family, opened once."""
    made: dict[str, OpenedModel] = {}

    def of(name: str) -> OpenedModel:
        if name not in made and name in MORE:
            make, size = MORE[name]
            made[name] = open_model(make(tmp_path_factory.mktemp("onnx") / name), size=size)
        return made.get(name) or store(name).model

    return of


def computed(graph: onnx.ModelProto, wires: Arrays, folder: Path) -> Arrays:
    """What a graph gives of the wires it takes, from its file; `graph` keeps its weights."""
    kept = onnx.ModelProto()
    kept.CopyFrom(graph)
    save(kept, folder / "graph.onnx")
    opened = session(folder / "graph.onnx")
    names = [port.name for port in opened.get_outputs()]
    return dict(
        zip(names, opened.run(names, {p.name: wires[p.name] for p in opened.get_inputs()}), strict=True)
    )


def batches(captured: Capture) -> list[tuple[Arrays, Arrays]]:
    """Inputs of two batches, and what PyTorch gives of them."""
    found = []
    for inputs in (captured.examples, captured.unseen):
        expected = captured.reference(inputs)
        found.append(({k: v.numpy() for k, v in inputs.items()}, {k: v.numpy() for k, v in expected.items()}))
    return found


def require_near(found: Arrays, expected: Arrays) -> None:
    """Every array that is expected is found, up to how sums are ordered."""
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() <= NEAR * max(np.abs(array).max(), 1.0)


def weights(graph: onnx.ModelProto) -> list[bytes]:
    """Every tensor of more than 64 numbers."""
    return [t.raw_data for t in graph.graph.initializer if np.prod(t.dims) > 64]


@pytest.mark.parametrize("name", [SD, "class_conditional", DDPM, *MORE])
def test_every_graph_is_the_same_function(name: str, model: Any, tmp_path: Path) -> None:
    """Each component of each family, on the batch that was traced and on another, at a pinned opset."""
    for captured in captures(model(name)):
        graph = export(captured)
        assert [each.version for each in graph.opset_import] == [OPSET]
        for given, expected in batches(captured):
            require_near(computed(graph, given, tmp_path), expected)


@pytest.mark.parametrize("name", [SD, "class_conditional", DDPM, *MORE])
def test_what_a_text_and_a_call_decide_is_cut_off(name: str, model: Any, tmp_path: Path) -> None:
    """Pieces run in a row give PyTorch's output, hold each weight once, and only the last sees the state."""
    captured = captures(model(name))[0]
    whole = settled(export(captured), captured)
    pieces = cut(whole)
    assert [piece.role for piece in pieces][-2:] == ["modulation", "denoiser"]
    for given, expected in batches(captured):
        wires = dict(given)
        for piece in pieces:
            assert ("sample" in piece.inputs) == (piece.role == "denoiser")
            wires |= computed(piece.model, wires, tmp_path)
        require_near(wires, expected)
    assert sorted(w for piece in pieces for w in weights(piece.model)) == sorted(weights(whole))


@pytest.mark.parametrize("name", [SD, DDPM])
def test_a_unet_is_cut_at_every_depth(name: str, model: Any, tmp_path: Path) -> None:
    """Down, deep and up are the whole again at each depth; deep gives its features and nothing else."""
    captured = captures(model(name))[0]
    whole = settled(export(captured), captured)
    given, expected = batches(captured)[1]
    assert len(cuts(whole)) >= 3
    for place in cuts(whole):
        pieces = {piece.role: piece for piece in cut(whole, place)}
        assert tuple(pieces)[-3:] == ("down", "deep", "up")
        assert len(pieces["deep"].outputs) == 1
        wires = dict(given)
        for piece in pieces.values():
            wires |= computed(piece.model, wires, tmp_path)
        require_near(wires, expected)


def test_a_size_that_was_not_traced_is_drawn(model: Any, tmp_path: Path) -> None:
    """A UNet in ONNX takes latents of another height and width, as the one in PyTorch does."""
    captured = captures(model(SD))[0]
    pieces = cut(settled(export(captured), captured))
    inputs = captured.examples | {"sample": captured.examples["sample"].repeat(1, 1, 2, 3)}
    wires: Arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    for piece in pieces:
        wires |= computed(piece.model, wires, tmp_path)
    require_near(wires, {name: t.numpy() for name, t in captured.reference(inputs).items()})


def test_no_cut_is_made_where_there_is_none(model: Any) -> None:
    """A place that is not in the denoiser, or that does not see the state, is refused."""
    captured = captures(model(SD))[0]
    whole = settled(export(captured), captured)
    for place in ("nowhere", "time_proj", BATCH):
        with pytest.raises(PlanError, match="cannot be cut"):
            cut(whole, place)


def test_exporting_leaves_the_model_in_eval_mode(model: Any) -> None:
    """The exporter would put every layer back into training, where dropout draws dice."""
    captured = next(c for c in captures(model("class_conditional")) if c.role == "denoiser")
    export(captured)
    assert not any(module.training for module in captured.module.modules())
