"""A part of a model, to be called with named wires in a fixed order."""

from __future__ import annotations

from torch import nn


class Wrapped(nn.Module):
    """Holds a part as `model`; what it takes and gives is its subclass's `forward`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
