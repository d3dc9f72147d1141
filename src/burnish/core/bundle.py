"""Bundle: the manifest of a directory that runs without PyTorch and says what it was built from."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from burnish.core.evidence import Measurement, Verdict
from burnish.core.files import digest_text
from burnish.core.model import MOST_NUMBERS, Device, Family, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.core.values import Part, Value

MANIFEST = "bundle.json"
Role = Literal["text_encoder", "time_proj", "denoiser", "decoder", "image_encoder"]

_AUTOENCODER: dict[Role, tuple[str, ...]] = {"decoder": ("sample",), "image_encoder": ("sample",)}
_CONDITIONAL: dict[Role, tuple[str, ...]] = {
    "denoiser": ("sample", "time_proj", "condition"),
    "time_proj": ("timestep",),
}
# The graphs that a family may have, with the inputs that `burnish.graphs.capture` gives each.
INPUTS: dict[Family, dict[Role, tuple[str, ...]]] = {
    "stable-diffusion": {**_CONDITIONAL, **_AUTOENCODER, "text_encoder": ("input_ids",)},
    "class-conditional": {**_CONDITIONAL, **_AUTOENCODER},
    "unconditional": {"denoiser": ("sample", "time_proj"), "time_proj": ("timestep",)},
}
Size = Annotated[int, Field(ge=1, le=65536)]
MOST_SCALE = 1e6  # autoencoders have 0.01 to 10; what a float32 rounds to 0, or to infinity, is far beyond


class Parity(Part):
    """How far a lowered graph is from PyTorch on the same inputs, as measured when it was built."""

    relative_error: float  # norm of the difference over the norm of PyTorch's output
    max_abs_error: float


class Graph(Part):
    """One static graph: its file in the bundle, its inputs by name, its precision, its parity."""

    role: Role
    file: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\.xml$")  # OpenVINO IR; weights beside it (.bin)
    inputs: tuple[str, ...]
    output_shape: tuple[Size, ...] = Field(min_length=1, max_length=3)  # of one image
    precision: Precision
    parity: Parity


class Bundle(Value):
    """Everything the runtime needs to know, and what was found out about it.

    `files` maps every file that it runs from to its sha256, `evidence` every other.
    """

    model: ModelCard
    plan: Plan
    graphs: tuple[Graph, ...]
    device: Device | None = None
    program: str = "program.json"
    starts: str = ""  # programs for image-to-image, one a start row; "" where there are none
    tokenizer: str = ""  # "" where there is no text
    scaling_factor: float = Field(default=1.0, ge=1 / MOST_SCALE, le=MOST_SCALE)
    shift_factor: float = Field(default=0.0, ge=-MOST_SCALE, le=MOST_SCALE)
    null_class: int | None = Field(default=None, ge=0)
    any_size: bool = False  # whether pictures of other sizes than the model's own can be made
    measurement: Measurement | None = None
    original: Measurement | None = None  # what the model cost before, on the same machine
    verdict: Verdict | None = None
    files: dict[str, str] = Field(default_factory=dict)
    evidence: dict[str, str] = Field(default_factory=dict)
    built_by: str = ""

    @property
    def identity(self) -> str:
        """sha256 over all that its pictures depend on: the manifest but for what was found out about it."""
        found_out = {"device", "measurement", "original", "verdict", "evidence", "built_by"}
        return digest_text(self.model_dump_json(exclude=found_out))

    @model_validator(mode="after")
    def _of_one_model(self) -> Self:
        roles = [graph.role for graph in self.graphs]
        for k, graph in enumerate(self.graphs):
            if graph.role in roles[:k]:
                raise ValueError(f"graphs has more than one {graph.role}")
            _require_fit(self.model, graph)
        if both := self.files.keys() & self.evidence.keys():
            raise ValueError(f"{min(both)!r:.80} is among files and evidence")
        if self.tokenizer and not self.model.max_tokens:
            raise ValueError("model.max_tokens is 0, but there is a tokenizer")
        if self.tokenizer and self.model.family != "stable-diffusion":
            raise ValueError(f"tokenizer is {self.tokenizer!r:.80}, but the model reads no text")
        if self.null_class is not None and self.null_class > self.model.classes:
            raise ValueError(f"null_class is {self.null_class} of {self.model.classes} classes")
        return self


def _require_fit(card: ModelCard, graph: Graph) -> None:
    """Raises ValueError where a graph is none of its model's, or takes or gives something else."""
    inputs = INPUTS[card.family].get(graph.role)
    if inputs is None:
        raise ValueError(f"a model that is {card.family} has no {graph.role}")
    if graph.inputs != inputs:
        raise ValueError(f"the inputs of {graph.role} are {graph.inputs!r:.80}, not {inputs}")
    shape = graph.output_shape
    expected = {
        "denoiser": card.latent_shape,
        "image_encoder": card.latent_shape,
        "decoder": card.image_shape,
        "text_encoder": (card.max_tokens, shape[-1]),  # how wide is the encoder's own
        "time_proj": shape[-1:],
    }[graph.role]
    if shape != expected:
        raise ValueError(f"the output_shape of {graph.role} is {shape}, not {expected}")
    if graph.role == "text_encoder" and math.prod(shape) > MOST_NUMBERS:
        raise ValueError(f"the output_shape of {graph.role} is {shape}, more than {MOST_NUMBERS} numbers")
