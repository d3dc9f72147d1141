"""GraphStore: the graphs of one model on disk, captured once, so that an interrupted build resumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov
from pydantic import TypeAdapter

from burnish.core.bundle import ORDER, Graph, Role
from burnish.core.errors import PlanError
from burnish.core.files import digest_text, directory_aside, source_digest, write_text
from burnish.core.plan import Precision
from burnish.graphs import (
    Capture,
    captures,
    compare,
    cut,
    cuts,
    lower,
    quantize,
    require_parity,
    save,
    wire_shapes,
)
from burnish.load import OpenedModel
from burnish.runtime.graphs import INFERENCE_PRECISION

Inputs = dict[str, Any]
Found = tuple[Graph, Path]  # a graph and its .xml

# The components whose weights each graph holds, where it has any.
COMPONENTS: dict[Role, tuple[str, ...]] = {
    "text_encoder": ("text_encoder",),
    "text_encoder_2": ("text_encoder_2",),
    "text_encoder_3": ("text_encoder_3",),
    "denoiser": ("unet", "transformer"),
    "decoder": ("vae",),
    "image_encoder": ("vae",),
}
DENOISER: Role = "denoiser"
ALONGSIDE: tuple[Role, ...] = ("context", "modulation")  # pieces that run once a text, so int8 gains nothing
_GRAPHS = TypeAdapter(tuple[Graph, ...])


def _maker() -> str:
    """What makes graphs and pictures, in a few letters: other releases, or other code, make others."""
    versions = [version(name) for name in ("openvino", "nncf", "torch", "diffusers")]
    code = source_digest(*(f"{room}/*.py" for room in ("build", "core", "graphs", "program", "runtime")))
    return digest_text("\n".join([*versions, code]))[:8]


@dataclass(frozen=True)
class GraphStore:
    """Graphs of `model` under `directory`, a folder a captured part, each written whole."""

    model: OpenedModel
    directory: Path

    @property
    def root(self) -> Path:
        """Where everything lies that was made of this model by this code."""
        return self.directory / f"{self.model.card.digest[:16]}-{_maker()}"

    @property
    def parts(self) -> tuple[Role, ...]:
        """What this model is captured as; its denoiser becomes several graphs."""
        return tuple(c.role for c in captures(self.model))

    @property
    def depths(self) -> tuple[str, ...]:
        """Where the denoiser can be cut, the shallowest first."""
        return cuts(ov.Core().read_model(self._whole()))

    def floating(self, part: Role, precision: Precision) -> tuple[Found, ...]:
        """A part other than the denoiser: one file, bf16 is how it is run, each with its own parity.

        Raises ModelError when the captured graph is another function than PyTorch's.
        """
        captured = self._captured(part)
        folder = self._lowered(captured)
        return self._noted(folder, captured, [part], dict.fromkeys([part], precision))

    def denoiser(self, depth: int, precision: Precision) -> tuple[Found, ...]:
        """The denoiser as what a text, a call and the state decide; the last in three where `depth` is not 0.

        `depth` counts from 1, the shallowest cut. Raises ModelError as `floating`, PlanError where there is
        no such depth.
        """
        captured = self._captured(DENOISER)
        folder = self.root / f"denoiser-cut{depth}-fp32"
        if not folder.is_dir():
            names = ("", *self.depths)
            if depth >= len(names):
                raise PlanError(
                    f"the denoiser has no cut at depth {depth}", f"The deepest is {len(names) - 1}"
                )
            with directory_aside(folder) as aside:
                for piece in cut(ov.Core().read_model(self._whole()), names[depth]):
                    save(piece.model, aside / f"{piece.role}.xml", half=self._stored_half(DENOISER))
        roles = _roles(folder)
        return self._noted(folder, captured, roles, dict.fromkeys(roles, precision))

    def int8(
        self, depth: int, samples: Callable[[], Mapping[Role, Sequence[Inputs]]], calibration: str
    ) -> tuple[Found, ...]:
        """The denoiser with int8 pieces, calibrated on `samples()` where they are not there yet."""
        captured = self._captured(DENOISER)
        pieces = {graph.role: path for graph, path in self.denoiser(depth, "bf16")}
        folder = self.root / f"denoiser-cut{depth}-int8-{digest_text(calibration)[:12]}"
        if not folder.is_dir():
            recorded = samples()
            with directory_aside(folder) as aside:
                for role, path in pieces.items():
                    model = ov.Core().read_model(path)
                    if role not in ALONGSIDE:
                        model = quantize(model, recorded[role])
                    save(model, aside / f"{role}.xml", half=True)
        precisions: dict[Role, Precision] = {role: "bf16" if role in ALONGSIDE else "int8" for role in pieces}
        return self._noted(folder, captured, list(pieces), precisions)

    def _captured(self, part: Role) -> Capture:
        return next(c for c in captures(self.model) if c.role == part)

    def _whole(self) -> Path:
        return self._lowered(self._captured(DENOISER)) / f"{DENOISER}.xml"

    def _lowered(self, captured: Capture) -> Path:
        """The folder of a captured part as one graph."""
        folder = self.root / f"{captured.role}-fp32"
        if not folder.is_dir():
            with directory_aside(folder) as aside:
                path = aside / f"{captured.role}.xml"
                save(lower(captured), path, half=self._stored_half(captured.role))
                require_parity(captured, compare(captured, (ov.Core().read_model(path), "f32")))
        return folder

    def _stored_half(self, part: Role) -> bool:
        """Whether the weights came in half precision, so that storing them so loses nothing."""
        return any(
            c.dtype.lower() in ("f16", "float16", "fp16")
            for c in self.model.card.components
            if c.parameters and c.name in COMPONENTS.get(part, ())
        )

    @staticmethod
    def _noted(
        folder: Path, captured: Capture, roles: Sequence[Role], precisions: Mapping[Role, Precision]
    ) -> tuple[Found, ...]:
        """Graphs that lie in a folder, with the parity of all of them in a row, as they are on disk.

        Half precision may have rounded them, and so may the precision that they are run in.
        """
        note = folder / f"{'-'.join(dict.fromkeys(precisions.values()))}.json"
        if not note.is_file():
            write_text(
                note,
                _GRAPHS.dump_json(tuple(_graphs(folder, captured, roles, precisions)), indent=2).decode(),
            )
        found = _GRAPHS.validate_json(note.read_text())
        return tuple((graph, folder / graph.file) for graph in found)


def _roles(folder: Path) -> list[Role]:
    """The pieces in a folder, in the order in which they run."""
    return [role for role in ORDER if (folder / f"{role}.xml").is_file()]


def _graphs(
    folder: Path, captured: Capture, roles: Sequence[Role], precisions: Mapping[Role, Precision]
) -> Iterator[Graph]:
    models = [ov.Core().read_model(folder / f"{role}.xml") for role in roles]
    hints = [INFERENCE_PRECISION[precisions[role]] for role in roles]
    parity = compare(captured, *zip(models, hints, strict=True))
    shapes = wire_shapes(captured, models)
    if set(hints) == {INFERENCE_PRECISION["fp32"]}:
        require_parity(captured, parity)
    for role, model in zip(roles, models, strict=True):
        yield Graph(
            role=role,
            file=f"{role}.xml",
            inputs=tuple(port.get_node().get_friendly_name() for port in model.inputs),
            outputs={port.get_any_name(): shapes[port.get_any_name()] for port in model.outputs},
            precision=precisions[role],
            parity=parity,
        )
