"""How far what another runtime computes is from PyTorch, on the same inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from burnish.core.bundle import Parity
from burnish.graphs import Capture
from burnish.graphs.parity import _difference

Wires = dict[str, Any]


def compare(capture: Capture, run: Callable[[Wires], Wires]) -> Parity:
    """Relative and greatest absolute difference from PyTorch of what `run` gives of named arrays.

    The worst of its outputs, on the worse of two inputs, the capture's examples and others. Raises ModelError
    where it gives numbers that are not finite, or of another shape.
    """
    found: list[Parity] = []
    for inputs in (capture.examples, capture.unseen):
        given = run({name: tensor.numpy() for name, tensor in inputs.items()})
        expected = capture.reference(inputs)
        found += [_difference(capture.role, given[name], e.numpy()) for name, e in expected.items()]
    return Parity(
        relative_error=max(parity.relative_error for parity in found),
        max_abs_error=max(parity.max_abs_error for parity in found),
    )
