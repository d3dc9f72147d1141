"""The graphs of a bundle that ONNX Runtime runs: exported, cut, quantized, kept beside those of OpenVINO."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx
from pydantic import TypeAdapter

from burnish.build.calibration import Calibration
from burnish.build.portable_parity import compare
from burnish.build.store import ALONGSIDE, DENOISER, Found, GraphStore
from burnish.core.bundle import ORDER, Graph, Role
from burnish.core.errors import PlanError
from burnish.core.files import digest_text, directory_aside, write_text
from burnish.core.plan import Plan, Precision
from burnish.graphs import Capture, captures, require_parity
from burnish.graphs.onnx import export, save
from burnish.graphs.onnx_cut import cut, cuts
from burnish.graphs.onnx_quantize import quantize
from burnish.graphs.onnx_shapes import settled
from burnish.runtime.onnx import session
from burnish.runtime.onnx_file import WEIGHTS

_GRAPHS = TypeAdapter(tuple[Graph, ...])


def onnx_graphs(store: GraphStore, plan: Plan, calibration: Calibration, part: Role) -> tuple[Found, ...]:
    """The graphs of one captured part under a plan, and where each lies; made where they are not there yet.

    int8 is calibrated on what the program meets. Raises ModelError when an exported graph is another function
    than PyTorch's, PlanError where the denoiser has no such cut.
    """
    captured = next(c for c in captures(store.model) if c.role == part)
    if part != DENOISER:
        return _noted(_exported(store, captured), captured, exact=True)
    folder = _cut(store, captured, plan.cut)
    if plan.precision != "int8":
        return _noted(folder, captured, exact=True)
    return _noted(_int8(store, folder, calibration), captured, exact=False)


def _folder(store: GraphStore, name: str) -> Path:
    """Named by what made it, too: another release exports or quantizes otherwise."""
    return store.root / f"{name}-onnx{onnx.__version__}-{version('onnxruntime')}"


def _exported(store: GraphStore, captured: Capture) -> Path:
    folder = _folder(store, captured.role)
    if not folder.is_dir():
        with directory_aside(folder) as aside:
            save(export(captured), aside / f"{captured.role}.onnx")
    return folder


def _cut(store: GraphStore, captured: Capture, depth: int) -> Path:
    """The denoiser as what a text, a call and the state decide; the last in three where `depth` is not 0."""
    folder = _folder(store, f"{DENOISER}-cut{depth}")
    if not folder.is_dir():
        model = settled(export(captured), captured)
        names = ("", *cuts(model))
        if depth >= len(names):
            raise PlanError(
                f"the denoiser in ONNX has no cut at depth {depth}", f"The deepest is {len(names) - 1}"
            )
        with directory_aside(folder) as aside:
            for piece in cut(model, names[depth]):
                save(piece.model, aside / f"{piece.role}.onnx")
    return folder


def _int8(store: GraphStore, exact: Path, calibration: Calibration) -> Path:
    key = digest_text(calibration.name)[:12]
    folder = _folder(store, f"{exact.name.partition('-onnx')[0]}-int8-{key}")
    if not folder.is_dir():
        recorded = calibration.samples()
        with directory_aside(folder) as aside:
            for role in _roles(exact):
                path = exact / f"{role}.onnx"
                if role not in ALONGSIDE:
                    save(quantize(path, recorded[role]), aside / path.name)
                    continue
                for suffix in (path.suffix, WEIGHTS):
                    shutil.copy2(path.with_suffix(suffix), aside)
    return folder


def _roles(folder: Path) -> list[Role]:
    """The graphs in a folder, in the order in which they run; an autoencoder's halves come alone."""
    every: tuple[Role, ...] = (*ORDER, "decoder", "image_encoder")
    return [role for role in every if (folder / f"{role}.onnx").is_file()]


def _noted(folder: Path, captured: Capture, *, exact: bool) -> tuple[Found, ...]:
    """Graphs that lie in a folder, with the parity of all of them in a row, noted beside them.

    Raises ModelError where they are `exact` and differ by more than rounding.
    """
    note = folder / "graphs.json"
    if not note.is_file():
        write_text(note, _GRAPHS.dump_json(_graphs(folder, captured, exact=exact), indent=2).decode())
    return tuple((graph, folder / graph.file) for graph in _GRAPHS.validate_json(note.read_text()))


def _graphs(folder: Path, captured: Capture, *, exact: bool) -> tuple[Graph, ...]:
    sessions = {role: session(folder / f"{role}.onnx") for role in _roles(folder)}

    def run(wires: dict[str, Any]) -> dict[str, Any]:
        for each in sessions.values():
            names = [port.name for port in each.get_outputs()]
            given = {port.name: wires[port.name] for port in each.get_inputs()}
            wires = wires | dict(zip(names, each.run(names, given), strict=True))
        return wires

    parity = compare(captured, run)
    if exact:
        require_parity(captured, parity)
    shapes = run({name: example.numpy() for name, example in captured.examples.items()})
    return tuple(
        Graph(
            role=role,
            file=f"{role}.onnx",
            inputs=tuple(port.name for port in each.get_inputs()),
            outputs={port.name: shapes[port.name].shape[1:] for port in each.get_outputs()},
            precision=_precision(role, exact=exact),
            parity=parity,
        )
        for role, each in sessions.items()
    )


def _precision(role: Role, *, exact: bool) -> Precision:
    return "fp32" if exact or role in ALONGSIDE else "int8"
