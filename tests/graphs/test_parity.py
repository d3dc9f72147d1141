"""A captured graph is the PyTorch module's function, or it is refused with what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor, nn

from burnish.core.errors import ModelError
from burnish.graphs import Capture, captures, compare, lower, quantize, require_parity
from tests.conftest import DDPM, DIT, SD, Stores

ROLES = {
    SD: ("denoiser", "time_proj", "text_encoder", "decoder", "image_encoder"),
    DIT: ("denoiser", "time_proj", "decoder", "image_encoder"),
    DDPM: ("denoiser", "time_proj"),
}


class Small(nn.Module):
    """Two layers with a non-linearity between, and `wrong` done to their output."""

    def __init__(self, wrong: Callable[[Tensor, Tensor], Tensor] = lambda out, sample: out) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 4, 3, padding=1))
        self.wrong = wrong

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 4, h, w) -> (b, 4, h, w)."""
        return self.wrong(self.layers(sample), sample)


def capture_of(module: nn.Module) -> Capture:
    """A capture of `module` on random latents."""
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return Capture(
        role="denoiser",
        module=module,
        examples={"sample": latents},
        outputs=("output",),
        dynamic={"sample": (0, 2, 3)},
    )


@pytest.mark.parametrize("name", ROLES)
def test_a_model_is_these_graphs(name: str, store: Stores) -> None:
    """Each family has its graphs, the denoiser first, their inputs by name with the batch left open."""
    found = captures(store(name).model)
    assert tuple(c.role for c in found) == ROLES[name]
    for capture in found[1:]:
        ((graph, path),) = store(name).floating(capture.role, "fp32")
        model = ov.Core().read_model(path)
        assert tuple(port.get_any_name() for port in model.inputs) == graph.inputs == tuple(capture.examples)
        assert all(port.get_partial_shape()[0].is_dynamic for port in model.inputs)
        expected = {wire: tuple(value.shape[1:]) for wire, value in capture.reference().items()}
        assert graph.outputs == expected
        assert graph.parity.relative_error < 1e-4


@pytest.mark.parametrize("name", ROLES)
def test_the_time_is_projected_outside(name: str, store: Stores) -> None:
    """Given the projection of a timestep, the captured denoiser is diffusers' own at that timestep."""
    model = store(name).model
    denoiser, time_proj = captures(model)[:2]
    given = denoiser.examples
    timestep = torch.tensor([500.0, 500.0])
    assert torch.equal(time_proj.reference({"timestep": timestep})["time_proj"], given["time_proj"])
    with torch.no_grad():
        extra = {SD: ("encoder_hidden_states",), DIT: ("class_labels",)}.get(name, ())
        kwargs = dict.fromkeys(extra, given.get("condition"))
        own = model.denoiser(given["sample"], timestep=timestep, **kwargs).sample
    output = denoiser.reference()["output"]
    assert torch.equal(output, own[:, : output.shape[1]])


def test_a_faithful_graph_is_let_pass() -> None:
    """The lowered graph of a plain module is it to rounding, and the parity is returned."""
    capture = capture_of(Small())
    found = compare(capture, (lower(capture), "f32"))
    assert require_parity(capture, found) is found
    assert 0 < found.relative_error < 1e-5
    assert 0 < found.max_abs_error < 1e-4


def test_another_function_is_refused_with_the_difference() -> None:
    """One weight tensor five percent off raises ModelError with role and measured relative difference."""
    model = lower(capture_of(Small()))
    module = Small()
    with torch.no_grad():
        module.layers[2].weight *= 1.05
    capture = capture_of(module)
    found = compare(capture, (model, "f32"))
    assert 0.01 < found.relative_error < 0.1
    with pytest.raises(ModelError, match=f"denoiser differs from PyTorch by {found.relative_error:.2e}"):
        require_parity(capture, found)


FROZEN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a branch on the data": lambda out, x: out if float(x.std()) > 0.7 else -out,
    "a number of the data": lambda out, x: out * float(x.std()),
    "the batch": lambda out, x: out * len(x),
}


@pytest.mark.parametrize("name", FROZEN)
def test_what_tracing_froze_is_found(name: str) -> None:
    """A module that decides in Python is right on what it was traced with, and is refused all the same."""
    capture = capture_of(Small(FROZEN[name]))
    with pytest.raises(ModelError, match="differs from PyTorch"):
        require_parity(capture, compare(capture, (lower(capture), "f32")))


def test_numbers_that_are_not_finite_are_refused() -> None:
    """A graph that overflows raises ModelError instead of recording a parity that means nothing."""
    capture = capture_of(Small(lambda out, x: out / (x - x)))
    with pytest.raises(ModelError, match="not finite"):
        compare(capture, (lower(capture), "f32"))


def _samples(scale: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(2)
    return [{"sample": (scale * rng.standard_normal((1, 4, 8, 8))).astype(np.float32)} for _ in range(32)]


def test_quantizing_takes_its_ranges_from_the_samples(capfd: pytest.CaptureFixture[str]) -> None:
    """Within 10 % of PyTorch on samples like its inputs; 80 % off and more on samples ten times too small."""
    capture = capture_of(Small())
    good = compare(capture, (quantize(lower(capture), _samples(1.0), transformer=False), "f32"))
    bad = compare(capture, (quantize(lower(capture), _samples(0.1), transformer=False), "f32"))
    assert 1e-4 < good.relative_error < 0.1
    assert bad.relative_error > 0.8
    assert capfd.readouterr().out == ""
