"""GraphStore: the graphs of one model on disk, captured once, so that an interrupted build resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from burnish.core.bundle import Graph, Role
from burnish.core.files import digest_text, directory_aside, source_digest, write_text
from burnish.core.plan import Precision
from burnish.graphs import Capture, captures, compare, lower, quantize, require_parity, save
from burnish.load import OpenedModel
from burnish.runtime.graphs import INFERENCE_PRECISION

Inputs = dict[str, Any]

# The components whose weights each graph holds.
COMPONENTS: dict[Role, tuple[str, ...]] = {
    "text_encoder": ("text_encoder",),
    "time_proj": (),
    "denoiser": ("unet", "transformer"),
    "decoder": ("vae",),
    "image_encoder": ("vae",),
}


def _maker() -> str:
    """What makes graphs and pictures, in a few letters: other releases, or other code, make others."""
    versions = [version(name) for name in ("openvino", "nncf", "torch", "diffusers")]
    code = source_digest(*(f"{room}/*.py" for room in ("build", "core", "graphs", "program", "runtime")))
    return digest_text("\n".join([*versions, code]))[:8]


@dataclass(frozen=True)
class GraphStore:
    """Graphs of `model` under `directory`, one folder a role and precision, each written whole."""

    model: OpenedModel
    directory: Path

    @property
    def root(self) -> Path:
        """Where everything lies that was made of this model by this code."""
        return self.directory / f"{self.model.card.digest[:16]}-{_maker()}"

    def folder(self, role: Role, precision: Precision, key: str = "") -> Path:
        """Where a graph lies; `key` tells calibrations apart."""
        return self.root / f"{role}-{precision}{key}"

    def floating(self, role: Role, precision: Precision) -> tuple[Graph, Path]:
        """A graph in fp32 or bf16 and its .xml: one file, bf16 is how it is run, each with its own parity.

        Raises ModelError when the captured graph is another function than PyTorch's.
        """
        folder = self.folder(role, "fp32")
        if not (folder / "graph.json").is_file():
            found = self._found(role)
            self._write(folder, found, lower(found), "fp32", half=self._stored_half(role))
        graph = Graph.model_validate_json((folder / "graph.json").read_text())
        path = folder / graph.file
        if precision != "fp32":
            note = folder / f"{precision}.json"
            if not note.is_file():
                parity = compare(self._found(role), ov.Core().read_model(path), precision="bf16")
                update = {"precision": precision, "parity": parity}
                write_text(note, graph.model_copy(update=update).model_dump_json(indent=2))
            graph = Graph.model_validate_json(note.read_text())
        return graph, path

    def int8(
        self, role: Role, samples: Callable[[], Sequence[Inputs]], calibration: str
    ) -> tuple[Graph, Path]:
        """The int8 graph calibrated on `samples()`, which is only called when the graph is not there yet."""
        _, path = self.floating(role, "fp32")
        folder = self.folder(role, "int8", f"-{digest_text(calibration)[:12]}")
        if not (folder / "graph.json").is_file():
            model = quantize(ov.Core().read_model(path), samples())
            self._write(folder, self._found(role), model, "int8", half=True)
        graph = Graph.model_validate_json((folder / "graph.json").read_text())
        return graph, folder / graph.file

    @property
    def roles(self) -> tuple[Role, ...]:
        """The graphs this model has."""
        return tuple(c.role for c in captures(self.model))

    def _found(self, role: Role) -> Capture:
        return next(c for c in captures(self.model) if c.role == role)

    def _stored_half(self, role: Role) -> bool:
        """Whether the weights came in half precision, so that storing them so loses nothing."""
        return any(
            c.dtype.lower() in ("f16", "float16", "fp16")
            for c in self.model.card.components
            if c.parameters and c.name in COMPONENTS[role]
        )

    @staticmethod
    def _write(folder: Path, captured: Capture, model: Any, precision: Precision, *, half: bool) -> None:
        """Saves a graph with the parity of what then lies on disk, which half precision may have rounded."""
        with directory_aside(folder) as aside:
            path = aside / f"{captured.role}.xml"
            save(model, path, half=half)
            parity = compare(captured, ov.Core().read_model(path), precision=INFERENCE_PRECISION[precision])
            graph = Graph(
                role=captured.role,
                file=path.name,
                inputs=tuple(captured.examples),
                output_shape=tuple(captured.reference().shape[1:]),
                precision=precision,
                parity=require_parity(captured, parity) if precision == "fp32" else parity,
            )
            (aside / "graph.json").write_text(json.dumps(graph.model_dump(mode="json"), indent=2))
