"""How far a lowered graph is from PyTorch, on the same inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from torch import Tensor

from burnish.core.bundle import Parity
from burnish.core.errors import ModelError
from burnish.graphs.capture import Capture

# fp32 kernels sum in another order than PyTorch's; a wrong operator is orders of magnitude above this.
FP32_LIMIT = 1e-3


def compare(capture: Capture, model: Any, *, precision: str = "f32") -> Parity:
    """Relative and greatest absolute difference of `model` (an ov.Model) from the PyTorch module.

    The worse of two inputs, those it was traced with and others: a branch that tracing froze shows on the
    others. Raises ModelError where the graph gives numbers that are not finite.
    """
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    found = [_difference(capture, compiled, inputs) for inputs in (capture.examples, capture.unseen)]
    return max(found, key=lambda parity: parity.relative_error)


def _difference(capture: Capture, compiled: Any, inputs: dict[str, Tensor]) -> Parity:
    expected = capture.reference(inputs).numpy()
    output = np.asarray(compiled({name: x.numpy() for name, x in inputs.items()})[0])
    with np.errstate(invalid="ignore"):
        difference = output - expected
    if not np.isfinite(difference).all():
        raise ModelError(
            f"the captured {capture.role} gives numbers that are not finite", "Build it in another precision"
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
