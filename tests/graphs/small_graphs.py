"""PyTorch modules of one input as graphs, and what graphs give, for tests that edit graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.graphs import captures, lower
from burnish.load import OpenedModel

Array = NDArray[np.float32]


class Small(nn.Module):
    """A convolution, a shortcut of two parts that differ sixtyfold in range, a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(4, 16, 3, padding=1)
        self.shortcut = nn.Conv2d(20, 32, 1)
        self.last = nn.Linear(32, 8)
        with torch.no_grad():
            self.shortcut.weight[:, 4:] /= 60.0  # so that both parts matter alike

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 4, h, w) -> (b, h, w, 8)."""
        wide = 60.0 * nn.functional.silu(self.first(sample))
        both = self.shortcut(torch.cat([sample, wide], 1))
        return self.last(nn.functional.silu(both).permute(0, 2, 3, 1))


def graph(module: nn.Module, example: Tensor) -> Any:
    """The module as an ov.Model with input `sample`, its batch, height and width open."""
    shape = ov.PartialShape([-1, example.shape[1], -1, -1])
    with torch.no_grad():
        model = ov.convert_model(module.eval(), example_input=(example,), input=[shape])
    model.inputs[0].get_tensor().set_names({"sample"})
    model.inputs[0].get_node().set_friendly_name("sample")
    return model


def small() -> Any:
    """`Small` as a graph."""
    return graph(Small(), torch.zeros(2, 4, 8, 8))


def lowered(model: OpenedModel, role: str) -> Any:
    """One component of a model as a graph."""
    return lower(next(c for c in captures(model) if c.role == role))


def inputs_of(model: Any, seed: int, batch: int = 1) -> dict[str, Any]:
    """Random inputs of a tiny denoiser, 8 latents high and wide; classes are whole numbers."""
    rng = np.random.default_rng(seed)
    sides = (batch, 1, 8, 8)
    found = {}
    for port in model.inputs:
        shape = [d.get_length() if d.is_static else sides[k] for k, d in enumerate(port.get_partial_shape())]
        real = port.get_element_type().is_real()
        found[port.get_any_name()] = (
            rng.standard_normal(shape).astype(np.float32) if real else rng.integers(0, 9, shape)
        )
    return found


def latents(seed: int, count: int = 1) -> dict[str, Any]:
    """Random input of `Small`."""
    return {"sample": np.random.default_rng(seed).standard_normal((count, 4, 8, 8)).astype(np.float32)}


def output(model: Any, inputs: dict[str, Any]) -> Array:
    """The only output, in fp32."""
    return np.array(ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(inputs)[0])


def error(found: Array, exact: Array) -> float:
    """Norm of the difference over the norm of `exact`."""
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def named(model: Any, *types: str) -> list[str]:
    """The friendly names of the operators of some types, in order."""
    return [op.get_friendly_name() for op in model.get_ordered_ops() if op.get_type_name() in types]
