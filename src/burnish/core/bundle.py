"""Bundle: the manifest of a directory that runs without PyTorch and says what it was built from."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from burnish.core.evidence import Measurement, Verdict
from burnish.core.files import digest_text
from burnish.core.model import MOST_NUMBERS, Device, ModelCard
from burnish.core.plan import Plan, Precision
from burnish.core.values import Part, Value

MANIFEST = "bundle.json"
Role = Literal[
    "time_proj",
    "size_proj",
    "guidance_proj",
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
    "condition",
    "context",
    "modulation",
    "denoiser",
    "down",
    "deep",
    "up",
    "decoder",
    "image_encoder",
]
# Graphs in the order in which they run, by how often that is: a text's once for each text, `time_proj` and
# `modulation` once a call before the first of them, the denoiser's once a pass, in one piece or in three.
TEXT: tuple[Role, ...] = (
    "size_proj",
    "guidance_proj",
    "text_encoder",
    "text_encoder_2",
    "text_encoder_3",
    "condition",
    "context",
)
WHOLE: tuple[Role, ...] = ("denoiser",)
PIECES: tuple[Role, ...] = ("down", "deep", "up")
BEFORE: tuple[Role, ...] = ("time_proj", *TEXT, "modulation")
ORDER: tuple[Role, ...] = (*BEFORE, *WHOLE, *PIECES)
OUTPUT = "output"  # what a denoiser gives in the end

Size = Annotated[int, Field(ge=1, le=65536)]
Shape = Annotated[tuple[Size, ...], Field(max_length=4)]
Wire = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,64}$")]
MOST_WIRES = 4096


class Parity(Part):
    """How far a lowered graph is from PyTorch on the same inputs, as measured when it was built."""

    relative_error: float  # norm of the difference over the norm of PyTorch's output
    max_abs_error: float


class Graph(Part):
    """One static graph: its file in the bundle, the wires it takes and gives, its precision, its parity.

    Graphs are joined by the names of their wires. `outputs` has the shape of each for one image (for
    `modulation`, one call of it) at the model's own size.
    """

    role: Role
    # OpenVINO IR or ONNX, weights beside it (.bin); PyTorch has one directory for all of them
    file: str = Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*\.(xml|onnx)|model/model_index\.json)$")
    inputs: tuple[Wire, ...] = Field(min_length=1, max_length=MOST_WIRES)
    outputs: dict[Wire, Shape] = Field(min_length=1, max_length=MOST_WIRES)
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
    tokenizers: tuple[str, ...] = Field(default=(), max_length=3)  # one a text encoder, in order
    null_class: int | None = Field(default=None, ge=0)
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

    def graph(self, role: Role) -> Graph | None:
        """The graph of a role, or None."""
        return next((graph for graph in self.graphs if graph.role == role), None)

    @property
    def denoiser(self) -> tuple[Role, ...]:
        """The graphs that a call of the denoiser runs, in order."""
        return PIECES if self.graph("deep") else WHOLE

    def given(self) -> set[str]:
        """The wires that a request gives itself: ids and their masks, a class, sizes, a guidance scale."""
        ids = {f"{name}{suffix(k)}" for k in range(len(self.tokenizers)) for name in IDS}
        label = {"condition"} if self.model.classes else set()
        sizes = {"stable-diffusion-xl": {"time_ids"}, "pixart": {"resolution", "aspect_ratio"}}
        scale = {"guidance"} if self.model.guidance == "embedded" else set()
        return {"timestep"} | ids | label | scale | sizes.get(self.model.family, set())

    @model_validator(mode="after")
    def _of_one_model(self) -> Self:
        roles = [graph.role for graph in self.graphs]
        for k, role in enumerate(roles):
            if role in roles[:k]:
                raise ValueError(f"graphs has more than one {role}")
        if both := self.files.keys() & self.evidence.keys():
            raise ValueError(f"{min(both)!r:.80} is among files and evidence")
        if len(self.tokenizers) > len(text_lengths(self.model)):
            raise ValueError(f"there are {len(self.tokenizers)} tokenizers, more than the model reads with")
        if self.null_class is not None and self.null_class > self.model.classes:
            raise ValueError(f"null_class is {self.null_class} of {self.model.classes} classes")
        _require_joined(self)
        for graph in self.graphs:
            _require_fit(self.model, graph)
        return self


IDS = ("input_ids", "attention_mask")
DIRECT = {"condition", "attention_mask"}  # what a denoiser may take of a request itself


def text_lengths(card: ModelCard) -> tuple[int, ...]:
    """Tokens that each text encoder reads, in order."""
    return tuple(n for n in (card.max_tokens, card.max_tokens_2, card.max_tokens_3) if n)


def suffix(k: int) -> str:
    """What the names of text encoder k end in, counted from 0: "", "_2", "_3"."""
    return f"_{k + 1}" if k else ""


def _require_joined(bundle: Bundle) -> None:
    """Raises ValueError where a graph takes what nothing gives it, or gives what another gave."""
    given = bundle.given()
    texts, times, others = given - {"timestep"}, set[str](), set[str]()
    for graph in sorted(bundle.graphs, key=lambda g: ORDER.index(g.role) if g.role in ORDER else -1):
        there, gives = {
            "time_proj": ({"timestep"}, times),
            **dict.fromkeys(TEXT, (texts, texts)),
            "modulation": (texts | times, others),
        }.get(graph.role, ({"sample"} | (given & DIRECT) | (texts - given) | times | others, others))
        if graph.role not in ORDER:
            continue
        for wire in graph.inputs:
            if wire not in there:
                raise ValueError(f"{graph.role} takes {wire!r:.80}, which nothing before it gives")
        if twice := (given | texts | times | others) & graph.outputs.keys():
            raise ValueError(f"{graph.role} gives {min(twice)!r:.80}, which is there already")
        gives.update(graph.outputs)
    if (deep := bundle.graph("deep")) is not None and len(deep.outputs) != 1:
        raise ValueError(f"deep gives {len(deep.outputs)} wires, not the deep features alone")
    for role in ("decoder", "image_encoder"):
        found = bundle.graph(role)
        if found is not None and bundle.model.image_shape == bundle.model.latent_shape:
            raise ValueError(f"a model that draws pixels has no {role}")
        if found is not None and found.inputs != ("sample",):
            raise ValueError(f"the inputs of {role} are {found.inputs!r:.80}, not ('sample',)")


def _require_fit(card: ModelCard, graph: Graph) -> None:
    """Raises ValueError where a graph gives something else than its model has."""
    expected = {
        "denoiser": {OUTPUT: card.latent_shape},
        "up": {OUTPUT: card.latent_shape},
        "image_encoder": {"latents": card.latent_shape},
        "decoder": {"pixels": card.image_shape},
    }.get(graph.role)
    if expected is not None and graph.outputs != expected:
        raise ValueError(f"the outputs of {graph.role} are {graph.outputs!r:.80}, not {expected}")
    for wire, shape in graph.outputs.items():
        if math.prod(shape) > MOST_NUMBERS:
            raise ValueError(f"{wire!r:.80} of {graph.role} is {shape}, more than {MOST_NUMBERS} numbers")
