"""GraphStore: the graphs of one model on disk, captured once, so that an interrupted build resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov
from pydantic import TypeAdapter

from burnish.build.calibration import Calibration
from burnish.build.precision import quantized, quantized_decoder
from burnish.build.token_merging import merged
from burnish.build.weights import compressed, weights_of
from burnish.core.bundle import ORDER, Graph, Role
from burnish.core.errors import PlanError
from burnish.core.files import digest_text, directory_aside, source_digest, write_text
from burnish.core.plan import Plan, Precision, Weights
from burnish.graphs import (
    Capture,
    captures,
    compare,
    cut,
    cuts,
    lower,
    require_parity,
    save,
    wire_shapes,
)
from burnish.load import OpenedModel
from burnish.runtime.graphs import INFERENCE_PRECISION

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
DECODER: Role = "decoder"
ALONGSIDE: tuple[Role, ...] = ("context", "modulation")  # pieces that run once a text, so int8 gains nothing
_GRAPHS = TypeAdapter(tuple[Graph, ...])


def _maker() -> str:
    """What makes graphs and pictures, in a few letters: other releases, or other code, make others."""
    versions = [version(name) for name in ("openvino", "nncf", "torch", "diffusers", "transformers")]
    rooms = ("build", "core", "graphs", "load", "program", "runtime", "torch_runtime")
    code = source_digest(*(f"{room}/*.py" for room in rooms))
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

    def floating(self, part: Role, precision: Precision, weights: Weights = "") -> tuple[Found, ...]:
        """A part other than the denoiser: one file, bf16 is how it is run, each with its own parity.

        `weights` are the bits that its weights are stored in, "" for those that they came in. Raises
        ModelError when the captured graph is another function than PyTorch's.
        """
        captured = self._captured(part)
        whole = folder = self._lowered(captured)
        if weights:
            made = lambda: [(part, compressed(_read(whole, part), weights))]  # noqa: E731
            folder = self._kept(f"{part}-{weights}-weights", made, half=True)
        return self._noted(folder, captured, {part: precision}, exact=not weights)

    def denoiser(self, depth: int, precision: Precision, merging: float = 0.0) -> tuple[Found, ...]:
        """The denoiser as what a text, a call and the state decide; the last in three where `depth` is not 0.

        `depth` counts from 1, the shallowest cut; `merging` is the share of tokens merged. Raises ModelError
        as `floating`, PlanError where there is no such depth, or nothing to merge.
        """
        folder = self._cut(depth, merging)
        precisions = dict.fromkeys(_roles(folder), precision)
        return self._noted(folder, self._captured(DENOISER), precisions, exact=not merging)

    def rounded(self, plan: Plan, calibration: Calibration) -> tuple[Found, ...]:
        """The denoiser of a plan that has it in int8, or its weights in 8 or 4 bits; raises as `denoiser`."""
        base = self._cut(plan.cut, plan.token_merging)
        int8 = plan.precision == "int8"
        calibrated = int8 or plan.weights == "int4"
        precisions: dict[Role, Precision] = {
            role: "bf16" if int8 and role in ALONGSIDE else plan.precision for role in _roles(base)
        }

        def made() -> Iterator[tuple[Role, Any]]:
            recorded = calibration.samples() if calibrated else {}
            for role, precision in precisions.items():
                model, given = _read(base, role), recorded.get(role, ())
                if precision == "int8":
                    yield role, quantized(model, given, plan.floating)
                else:
                    yield role, compressed(model, weights_of(plan, role), given)

        own = json.dumps([plan.floating, plan.weights, calibration.name if calibrated else ""])
        kind = "int8" if int8 else f"{plan.weights}-weights"
        folder = self._kept(f"{base.name}-{kind}-{digest_text(own)[:12]}", made, half=True)
        return self._noted(folder, self._captured(DENOISER), precisions, exact=False)

    def rounded_decoder(self, calibration: Calibration) -> tuple[Found, ...]:
        """The decoder in int8; raises as `floating`."""
        captured = self._captured(DECODER)
        whole = self._lowered(captured)

        def made() -> Iterator[tuple[Role, Any]]:
            yield DECODER, quantized_decoder(_read(whole, DECODER), calibration.samples()[DECODER])

        folder = self._kept(f"{DECODER}-int8-{digest_text(calibration.name)[:12]}", made, half=True)
        return self._noted(folder, captured, {DECODER: "int8"}, exact=False)

    def _cut(self, depth: int, merging: float) -> Path:
        """The folder of the denoiser's pieces in floating point, tokens merged before it is cut."""

        def made() -> Iterator[tuple[Role, Any]]:
            names = ("", *self.depths)
            if depth >= len(names):
                remedy = f"The deepest is {len(names) - 1}" if self.depths else "Leave cut at 0"
                raise PlanError(f"the denoiser has no cut at depth {depth}", remedy)
            whole = merged(ov.Core().read_model(self._whole()), merging)
            return ((piece.role, piece.model) for piece in cut(whole, names[depth]))

        name = f"denoiser-cut{depth}-merged{merging:g}" if merging else f"denoiser-cut{depth}"
        return self._kept(name, made, half=self._stored_half(DENOISER))

    def _kept(self, name: str, made: Callable[[], Iterable[tuple[Role, Any]]], *, half: bool) -> Path:
        """The folder of some graphs, `made` where it is not there yet; `half` stores what floats in fp16."""
        folder = self.root / name
        if not folder.is_dir():
            with directory_aside(folder) as aside:
                for role, model in made():
                    save(model, aside / f"{role}.xml", half=half)
        return folder

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
        folder: Path, captured: Capture, precisions: Mapping[Role, Precision], *, exact: bool
    ) -> tuple[Found, ...]:
        """Graphs that lie in a folder, with the parity of all of them in a row, as they are on disk.

        Half precision may have rounded them, and so may the precision that they are run in. `exact` says that
        nothing else was done to them, so that they must be PyTorch's function where they are run in fp32.
        """
        note = folder / f"{'-'.join(dict.fromkeys(precisions.values()))}.json"
        if not note.is_file():
            write_text(
                note,
                _GRAPHS.dump_json(tuple(_graphs(folder, captured, precisions, exact)), indent=2).decode(),
            )
        found = _GRAPHS.validate_json(note.read_text())
        return tuple((graph, folder / graph.file) for graph in found)


def _roles(folder: Path) -> list[Role]:
    """The pieces in a folder, in the order in which they run."""
    return [role for role in ORDER if (folder / f"{role}.xml").is_file()]


def _read(folder: Path, role: Role) -> Any:
    return ov.Core().read_model(folder / f"{role}.xml")


def _graphs(
    folder: Path, captured: Capture, precisions: Mapping[Role, Precision], exact: bool
) -> Iterator[Graph]:
    models = [_read(folder, role) for role in precisions]
    hints = [INFERENCE_PRECISION[precision] for precision in precisions.values()]
    parity = compare(captured, *zip(models, hints, strict=True))
    shapes = wire_shapes(captured, models)
    if exact and set(hints) == {INFERENCE_PRECISION["fp32"]}:
        require_parity(captured, parity)
    for role, model in zip(precisions, models, strict=True):
        yield Graph(
            role=role,
            file=f"{role}.xml",
            inputs=tuple(port.get_node().get_friendly_name() for port in model.inputs),
            outputs={port.get_any_name(): shapes[port.get_any_name()] for port in model.outputs},
            precision=precisions[role],
            parity=parity,
        )
