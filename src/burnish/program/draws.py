"""Fresh noise of a scheduler's step, answered by the caller instead of a random generator.

PyTorch shows every call of its random functions to a `TorchFunctionMode`, so no module has to be patched,
other threads notice nothing, and leaving the block puts everything back whatever happened inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from burnish.core.errors import ProgramError

_GAUSSIAN = {torch.randn, torch.randn_like}
_OTHER = {
    torch.normal,
    torch.rand,
    torch.rand_like,
    torch.randint,
    torch.randint_like,
    torch.randperm,
    torch.bernoulli,
    torch.multinomial,
    torch.poisson,
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    torch.Tensor.exponential_,
    torch.Tensor.random_,
}


class Draws(TorchFunctionMode):
    """Answers the one Gaussian draw of a step with `answer`; `count` says how many draws there were, 0 or 1.

    Raises ProgramError, naming the scheduler `name`, at a second draw, at noise of another shape than
    `answer`, and at any random function that is not Gaussian noise.
    """

    def __init__(self, name: str, answer: torch.Tensor) -> None:
        super().__init__()
        self.name, self.answer, self.count = name, answer, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _OTHER:
            raise refusal(self.name, f"its step calls torch's {func.__name__}, which is not Gaussian noise")
        if func not in _GAUSSIAN:
            return func(*args, **kwargs)
        # A meta tensor has the shape and dtype asked for, and costs no number of the global generator.
        seedless = {key: value for key, value in kwargs.items() if key != "generator"}
        asked = func(*args, **{**seedless, "device": "meta"})
        self.count += 1
        if self.count > 1:
            raise refusal(self.name, "its step draws more than one noise")
        if asked.shape != self.answer.shape:
            shapes = f"{tuple(asked.shape)} for a state of {tuple(self.answer.shape)}"
            raise refusal(self.name, f"its step draws noise of shape {shapes}")
        return self.answer.to(asked.dtype)


def refusal(name: str, reason: str, remedy: str = "") -> ProgramError:
    """The error that says why scheduler `name` is not read, and what to do instead."""
    return ProgramError(
        f"{name} is not read as a program: {reason}", remedy or "Choose another scheduler with make_scheduler"
    )
