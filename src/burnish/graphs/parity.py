"""How far a lowered graph is from PyTorch, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from torch import Tensor

from burnish.core.bundle import Parity
from burnish.core.errors import ModelError
from burnish.graphs.capture import Capture

# fp32 kernels sum in another order than PyTorch's; a wrong operator is orders of magnitude above this.
FP32_LIMIT = 1e-3


def compare(capture: Capture, *pieces: tuple[Any, str]) -> Parity:
    """Relative and greatest absolute difference from PyTorch of what `pieces` give, run in order.

    Each is an ov.Model and the precision that it is run in, "f32" or "bf16".
    The worst of its outputs, on the worse of two inputs, those it was traced with and others: a branch that
    tracing froze shows on the others. Raises ModelError where the graph gives numbers that are not finite.
    """
    core = ov.Core()
    compiled = [(m, core.compile_model(m, "CPU", {"INFERENCE_PRECISION_HINT": hint})) for m, hint in pieces]
    found = [
        parity
        for inputs in (capture.examples, capture.unseen)
        for parity in _differences(capture, compiled, inputs)
    ]
    return Parity(
        relative_error=max(parity.relative_error for parity in found),
        max_abs_error=max(parity.max_abs_error for parity in found),
    )


def _differences(
    capture: Capture, pieces: list[tuple[Any, Any]], inputs: dict[str, Tensor]
) -> Iterator[Parity]:
    given: dict[str, Any] = {name: x.numpy() for name, x in inputs.items()}
    for model, compiled in pieces:
        # The model's own names: a compiled port carries those of nodes that were folded into it, too.
        found = compiled({port.get_any_name(): given[port.get_any_name()] for port in model.inputs})
        given |= {port.get_any_name(): np.array(found[port.get_any_name()]) for port in model.outputs}
    for name, expected in capture.reference(inputs).items():
        yield _difference(capture.role, np.asarray(given[name]), expected.numpy())


def _difference(role: str, output: NDArray[Any], expected: NDArray[Any]) -> Parity:
    if output.shape != expected.shape:
        raise ModelError(
            f"the captured {role} gives shape {list(output.shape)}, PyTorch {list(expected.shape)}",
            "This model cannot be lowered faithfully",
        )
    with np.errstate(invalid="ignore"):
        difference = output - expected
    if not np.isfinite(difference).all():
        raise ModelError(
            f"the captured {role} gives numbers that are not finite", "Build it in another precision"
        )
    norm = float(np.linalg.norm(expected))
    return Parity(
        relative_error=float(np.linalg.norm(difference)) / max(norm, 1e-12),
        max_abs_error=float(np.abs(difference).max()),
    )


def require_parity(capture: Capture, found: Parity) -> Parity:
    """The parity, or ModelError with the measured difference when the graph is another function."""
    if not found.relative_error <= FP32_LIMIT:
        raise ModelError(
            f"the captured {capture.role} differs from PyTorch by {found.relative_error:.2e} (relative)",
            f"At most {FP32_LIMIT:g} is rounding; this model cannot be lowered faithfully",
        )
    return found


def wire_shapes(capture: Capture, models: Sequence[Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every wire for one image, of the size that the capture's examples have."""
    known = {name: tuple(example.shape[1:]) for name, example in capture.examples.items()}
    for model in models:
        own = model.clone()
        names = [port.get_node().get_friendly_name() for port in own.inputs]
        own.reshape({name: [1, *known[name]] for name in names})
        known |= {port.get_any_name(): tuple(port.get_shape()[1:]) for port in own.outputs}
    return known
