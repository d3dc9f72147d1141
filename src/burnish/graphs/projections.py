"""Numbers that a denoiser sees through sines: timestep, sizes, guidance. Projected outside it, in fp32.

bf16 has no number between 256 and 258, so a denoiser in bf16 would be told another time, another size or
another guidance than the one meant (decision 8). Sines and cosines lie in [-1, 1], where rounding costs
little.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from typing import Any

from diffusers.models.embeddings import Timesteps
from torch import Tensor, nn

# Modules that project sizes, by their last name; every other `Timesteps` projects the time.
SIZES = ("add_time_proj", "additional_condition_proj")
GUIDANCE_FACTOR = 1000.0  # FluxTransformer2DModel.forward multiplies guidance so before it is projected


def time_projections(model: nn.Module) -> list[Timesteps]:
    """Where a denoiser projects the timestep on sines; DiT does it again in every block."""
    return [m for name, m in _projections(model) if name not in SIZES]


def size_projections(model: nn.Module) -> list[Timesteps]:
    """Where a denoiser projects sizes on sines: none, or one module."""
    return [m for name, m in _projections(model) if name in SIZES]


def _projections(model: nn.Module) -> list[tuple[str, Timesteps]]:
    found = [(name.rpartition(".")[2], m) for name, m in model.named_modules()]
    return [(name, m) for name, m in found if isinstance(m, Timesteps)]


class TimeProjection(nn.Module):
    """Timesteps to the sines and cosines that the denoiser embeds."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.projection = time_projections(model)[0]

    def forward(self, timestep: Tensor) -> Tensor:
        """(b,) -> (b, width), in [-1, 1]."""
        return self.projection(timestep)


class SizeProjection(nn.Module):
    """Each number of each input to sines and cosines, as the denoiser embeds sizes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.projection = size_projections(model)[0]

    def forward(self, *sizes: Tensor) -> tuple[Tensor, ...]:
        """(b, n) each, in pixels or a ratio of them -> (b, n * width) each, in [-1, 1]."""
        return tuple(self.projection(x.flatten()).reshape(x.shape[0], -1) for x in sizes)


class GuidanceProjection(nn.Module):
    """A guidance scale to the sines and cosines that a guidance-distilled denoiser embeds."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.projection = time_projections(model)[0]

    def forward(self, guidance: Tensor) -> Tensor:
        """(b,) -> (b, width), in [-1, 1]."""
        return self.projection(guidance * GUIDANCE_FACTOR)


@contextmanager
def projected(modules: list[Timesteps], *values: Tensor) -> Iterator[None]:
    """Within it each module gives the `values`, one a call and over again, whatever it is given.

    DiT projects the time twice in its first block, Flux the time and then the guidance by one module.
    """
    with ExitStack() as stack:
        for module in modules:
            left = cycle(values)

            def instead(*_: Any, left: Iterator[Tensor] = left) -> Tensor:
                return next(left)

            stack.callback(module.register_forward_hook(instead).remove)
        yield
