"""ModelCard: what was opened. Device: what it will run on."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from burnish.core.values import Part, Value

Family = Literal["stable-diffusion", "unconditional", "class-conditional"]
PredictionType = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]


class Component(Part):
    """One part of a pipeline: its name there, its class, its size."""

    name: str
    library: str
    class_name: str
    parameters: int = 0
    size_bytes: int = 0
    dtype: str = ""
    digest: str = ""  # sha256 over the weights file(s), "" where there are none


class ModelCard(Value):
    """A diffusers model directory, as found; shapes are (channels, height, width)."""

    name: str
    family: Family
    pipeline: str
    components: tuple[Component, ...]
    prediction_type: PredictionType
    scheduler: str
    latent_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    size_multiple: PositiveInt  # pictures must be divisible by this many pixels
    max_tokens: int = 0  # 0 where there is no text
    classes: int = 0  # number of class labels; 0 where there are none
    licence: str = "unknown"
    source: str = ""
    digest: str  # over every file's digest

    @property
    def parameters(self) -> int:
        """Parameters of all components."""
        return sum(c.parameters for c in self.components)


class Rate(Part):
    """Measured billions of multiply-add operations (x2) a second of square matrix products."""

    fp32: float
    bf16: float
    int8: float


class Device(Value):
    """The machine at hand, measured."""

    name: str
    cores: int
    memory_mib: float
    instruction_sets: tuple[str, ...]
    gops: Rate

    def slow(self, precision: str) -> bool:
        """Whether this precision is slower here than fp32, so that it is never chosen."""
        return bool(getattr(self.gops, precision) <= self.gops.fp32)
