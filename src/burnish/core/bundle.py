"""Bundle: the manifest of a directory that runs without PyTorch and says what it was built from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from burnish.core.evidence import Measurement, Verdict
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.core.values import Part, Value

MANIFEST = "bundle.json"
Role = Literal["text_encoder", "time_proj", "denoiser", "decoder", "image_encoder"]


class Parity(Part):
    """How far a lowered graph is from PyTorch on the same inputs, as measured when it was built."""

    relative_error: float  # norm of the difference over the norm of PyTorch's output
    max_abs_error: float


class Graph(Part):
    """One static graph: its file in the bundle, its inputs by name, its precision, its parity."""

    role: Role
    file: str  # OpenVINO IR (.xml); its weights lie beside it (.bin)
    inputs: tuple[str, ...]
    output_shape: tuple[int, ...]  # of one image
    precision: Precision
    parity: Parity


class Bundle(Value):
    """Everything the runtime needs to know. `files` maps every other file to its sha256."""

    model: ModelCard
    plan: Plan
    graphs: tuple[Graph, ...]
    device: Device | None = None
    program: str = "program.json"
    starts: str = ""  # programs for image-to-image, one a start row; "" where there are none
    tokenizer: str = ""  # "" where there is no text
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    null_class: int | None = None
    any_size: bool = False  # whether pictures of other sizes than the model's own can be made
    measurement: Measurement | None = None
    original: Measurement | None = None  # what the model cost before, on the same machine
    verdict: Verdict | None = None
    files: dict[str, str] = Field(default_factory=dict)
    built_by: str = ""
