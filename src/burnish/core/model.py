"""ModelCard: what was opened. Device: what it will run on."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from burnish.core.values import Part, Value

Family = Literal[
    "stable-diffusion",
    "stable-diffusion-xl",
    "stable-diffusion-3",
    "flux",
    "pixart",
    "unconditional",
    "class-conditional",
]
PredictionType = Literal["epsilon", "v_prediction", "sample", "flow_prediction"]
# Classifier-free: two passes, pulled apart. Embedded: one pass, and the denoiser is told the scale.
Guidance = Literal["none", "classifier-free", "embedded"]

# Far above any model there is; beyond them one picture alone would fill the memory of a large machine.
Channels = Annotated[int, Field(ge=1, le=1024)]
Side = Annotated[int, Field(ge=1, le=4096)]
ImageSide = Annotated[int, Field(ge=1, le=16384)]
MOST_NUMBERS = 1 << 26  # of one array, 256 MiB; three channels of 4096 x 4096 are three quarters of it

MOST_SCALE = 1e6  # autoencoders have 0.01 to 10; what a float32 rounds to 0, or to infinity, is far beyond


class Component(Part):
    """One part of a pipeline: its name there, its class, its size."""

    name: str
    library: str
    class_name: str
    parameters: int = 0
    size_bytes: int = 0
    dtype: str = ""
    digest: str = ""  # sha256 over the weights file(s), "" where there are none


class Adapter(Part):
    """A LoRA that was fused into the weights: W + weight * scale * B A."""

    name: str  # of its file
    weight: float
    digest: str  # sha256 of the file


class ModelCard(Value):
    """A diffusers model directory, as found; shapes are (channels, height, width).

    `guidance_scale` and `num_inference_steps` are what the pipeline class asks for by default.
    `empty_negative` says what stands for a negative prompt that is not given: "" encoded, or zeros in place
    of all text states. The autoencoder's latents are those of the denoiser / scaling_factor + shift_factor.
    """

    name: str
    family: Family
    pipeline: str
    components: tuple[Component, ...]
    prediction_type: PredictionType
    scheduler: str
    latent_shape: tuple[Channels, Side, Side]
    image_shape: tuple[Literal[3], ImageSide, ImageSide]
    size_multiple: Side  # pictures must be divisible by this many pixels
    max_tokens: int = Field(default=0, ge=0, le=65536)  # of the first text encoder; 0 where there is none
    max_tokens_2: int = Field(default=0, ge=0, le=65536)
    max_tokens_3: int = Field(default=0, ge=0, le=65536)
    classes: int = Field(default=0, ge=0, le=1 << 20)  # number of class labels; 0 where there are none
    guidance: Guidance = "classifier-free"
    guidance_scale: float = Field(default=7.5, ge=0.0, le=100.0)
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    empty_negative: Literal["encoded", "zeros"] = "encoded"
    scaling_factor: float = Field(default=1.0, ge=1 / MOST_SCALE, le=MOST_SCALE)
    shift_factor: float = Field(default=0.0, ge=-MOST_SCALE, le=MOST_SCALE)
    adapters: tuple[Adapter, ...] = ()
    licence: str = "unknown"
    source: str = ""
    digest: str  # over every file's digest, the adapters and a size that was asked for

    @property
    def reads_text(self) -> bool:
        """Whether pictures are asked for in words."""
        return self.max_tokens > 0

    @property
    def reference_steps(self) -> int:
        """Steps of the original that plans are judged by: its pipeline's own default, but at most 50.

        Some pipelines ask for a thousand, which nobody waits for.
        """
        return min(self.num_inference_steps, 50)

    @property
    def any_size(self) -> bool:
        """Whether pictures of other sizes can be made; a transformer's positions fix the model's own."""
        return self.family in ("stable-diffusion", "stable-diffusion-xl", "unconditional")

    @property
    def parameters(self) -> int:
        """Parameters of all components."""
        return sum(c.parameters for c in self.components)

    @model_validator(mode="after")
    def _proportional(self) -> Self:
        latent, image, step = self.latent_shape, self.image_shape, self.size_multiple
        if math.prod(latent) > MOST_NUMBERS:
            raise ValueError(f"latent_shape {latent} is more than {MOST_NUMBERS} numbers")
        factor = image[1] // latent[1]
        if image[1:] != (factor * latent[1], factor * latent[2]):
            raise ValueError(
                f"the sides of image_shape {image} are no whole multiple of latent_shape {latent}"
            )
        if self.family == "unconditional" and image != latent:
            raise ValueError(f"image_shape {image} is not latent_shape {latent}, and nothing decodes")
        if step % factor or image[1] % step or image[2] % step:
            raise ValueError(
                f"size_multiple {step} does not fit image_shape {image} and latent_shape {latent}"
            )
        return self


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
