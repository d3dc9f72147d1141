"""Model and Plan into a Bundle directory, written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from burnish.build.calibration import Calibration, Conditions, calibration
from burnish.build.precision import precision_of
from burnish.build.store import DECODER, DENOISER, Found, GraphStore
from burnish.build.tables import fitted_program, plan_starts
from burnish.build.techniques import check_plan
from burnish.build.weights import weights_of
from burnish.core.bundle import MANIFEST, Bundle, Graph, Role, suffix, text_lengths
from burnish.core.errors import BundleError
from burnish.core.files import digest, directory_aside, link
from burnish.core.model import Device
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.load import OpenedModel

PROGRAM, STARTS = "program.json", "starts.json"


def check_target(directory: Path) -> None:
    """Raises BundleError where a bundle would take the place of what is no bundle, or cannot be put there."""
    whole = directory.resolve()
    if whole == Path.cwd() or whole.is_mount():
        raise BundleError(f"{directory} cannot be replaced as a whole", f"Use {directory / 'bundle'}")
    nearest = next(p for p in whole.parents if p.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise BundleError(f"nothing can be written in {nearest}", "Choose another directory")
    taken = directory.exists() and (not directory.is_dir() or any(directory.iterdir()))
    if directory.is_symlink() and not directory.exists():
        raise BundleError(f"{directory} is a link to nothing", "Choose another directory")
    if taken and not (directory / MANIFEST).is_file():
        raise BundleError(f"{directory} is there and is no bundle", "Choose another directory")


def build(
    store: GraphStore,
    plan: Plan,
    directory: Path,
    *,
    conditions: Conditions | None = None,
    device: Device | None = None,
) -> Bundle:
    """Writes the bundle of `plan` into `directory` and returns its manifest.

    `conditions` are the prompts or labels that int8 is calibrated on. Raises PlanError when a technique does
    not apply, BundleError when `directory` holds something else, ModelError when a graph differs from
    PyTorch, OSError when the disk is full; `directory` then stays as it was.
    """
    check_target(directory)
    check_plan(plan, store.model.card, device)
    program = fitted_program(store, plan, conditions or Conditions())
    starts = plan_starts(store.model, plan)
    with directory_aside(directory) as aside:
        graphs = _graphs(store, plan, program, aside, conditions or Conditions())
        program.save(aside / PROGRAM)
        if starts:
            (aside / STARTS).write_text(json.dumps([p.model_dump(mode="json") for p in starts]))
        tokenizers = _tokenizers(store.model, aside)
        bundle = _manifest(store.model, plan, graphs, tokenizers, aside, device)
        bundle.save(aside / MANIFEST)
    return bundle


def _graphs(
    store: GraphStore, plan: Plan, program: Program, aside: Path, conditions: Conditions
) -> tuple[Graph, ...]:
    if plan.runtime == "torch":
        from burnish.build.portable_torch import torch_graphs

        return torch_graphs(store, plan, aside, link)
    found: list[Graph] = []
    inputs = calibration(store, plan, program, conditions)
    for part in store.parts:
        for graph, path in _found(store, part, plan, inputs):
            for kind in (path.suffix, ".bin"):
                link(path.with_suffix(kind), aside / f"{graph.role}{kind}")
            found.append(graph)
    return tuple(found)


def _found(store: GraphStore, part: Role, plan: Plan, inputs: Calibration) -> tuple[Found, ...]:
    """The graphs of one captured part under a plan."""
    if plan.runtime == "onnxruntime":
        from burnish.build.portable_onnx import onnx_graphs

        return onnx_graphs(store, plan, inputs, part)
    precision = precision_of(plan, part)
    if part == DECODER and precision == "int8":
        return store.rounded_decoder(inputs)
    if part != DENOISER:
        return store.floating(part, precision, weights_of(plan, part))
    if precision != "int8" and not plan.weights:
        return store.denoiser(plan.cut, precision, plan.token_merging)
    return store.rounded(plan, inputs)


def _tokenizers(model: OpenedModel, directory: Path) -> tuple[str, ...]:
    """The names of a tokenizer file for each text encoder, written in `directory`."""
    every = [t for t in (model.tokenizer, model.tokenizer_2, model.tokenizer_3) if t is not None]
    names = []
    for k, (tokenizer, length) in enumerate(zip(every, text_lengths(model.card), strict=True)):
        names.append(f"tokenizer{suffix(k)}.json")
        save_tokenizer(tokenizer, length, directory / names[-1])
    return tuple(names)


def _manifest(
    model: OpenedModel,
    plan: Plan,
    graphs: Sequence[Graph],
    tokenizers: tuple[str, ...],
    directory: Path,
    device: Device | None,
) -> Bundle:
    names = sorted(p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file())
    return Bundle(
        model=model.card,
        plan=plan,
        graphs=tuple(graphs),
        device=device,
        program=PROGRAM,
        starts=STARTS if STARTS in names else "",
        tokenizers=tokenizers,
        null_class=model.null_class,
        files={name: digest(directory / name) for name in names},
        built_by=f"burnish {version('burnish')}",
    )


def save_tokenizer(tokenizer: Any, length: int, path: Path) -> None:
    """Writes a tokenizer.json that pads and truncates to `length` by itself."""
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # a copy: the model's own stays as it is
    fast.enable_truncation(max_length=length)
    fast.enable_padding(length=length, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    fast.save(str(path))
