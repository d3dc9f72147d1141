"""Model and Plan into a Bundle directory, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from burnish.build import guidance, solver
from burnish.build.calibration import Conditions, record
from burnish.build.precision import precision_of
from burnish.build.store import GraphStore
from burnish.build.techniques import check_plan
from burnish.core.bundle import MANIFEST, Bundle, Graph
from burnish.core.errors import BundleError, ProgramError
from burnish.core.files import digest, directory_aside
from burnish.core.model import Device
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.load import OpenedModel

PROGRAM, STARTS, TOKENIZER = "program.json", "starts.json", "tokenizer.json"
MOST_STARTS = 64  # image-to-image tables grow with the cube of the calls
DEFAULT_STEPS, DEFAULT_GUIDANCE = 50, 7.5
DETERMINISTIC = "DDIMScheduler"


def reference_plan(model: OpenedModel) -> Plan:
    """The model with its own scheduler, 50 steps and guidance, as diffusers runs Stable Diffusion by default.

    In fp32, and without the clipping that some schedulers do and no table has (decision 5). Where its own
    scheduler draws fresh noise at every step, DDIM on the same noise schedule (decision 10).
    """
    scale = {"unconditional": 1.0, "class-conditional": 4.0}.get(model.card.family, DEFAULT_GUIDANCE)
    plan = Plan(num_inference_steps=DEFAULT_STEPS, guidance_scale=scale)
    if not plan_program(model, plan).stochastic:
        return plan
    return plan.model_copy(update={"scheduler": DETERMINISTIC})


def plan_program(model: OpenedModel, plan: Plan, start: int = 0) -> Program:
    """The table of a plan, with its guidance; raises PlanError, ProgramError."""
    check_plan(plan, model.card)
    return guidance.apply(solver.read(model.scheduler, plan, start), plan, model.card)


def plan_starts(model: OpenedModel, plan: Plan, whole: Program) -> tuple[Program, ...]:
    """The image-to-image tables from each later step on; none where the scheduler has none, or too many.

    Each is guided as the end of the whole table is: what is guided depends on how much noise is left.
    """
    if whole.calls > MOST_STARTS:
        return ()
    starts = []
    with contextlib.suppress(ProgramError):
        for step in range(1, plan.num_inference_steps):
            start = plan_program(model, plan, step)
            starts.append(start.model_copy(update={"guidance": whole.guidance[-start.calls :]}))
        return tuple(starts)
    return ()


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
    program = plan_program(store.model, plan)
    starts = plan_starts(store.model, plan, program)
    with directory_aside(directory) as aside:
        graphs = _graphs(store, plan, program, aside, conditions or Conditions())
        program.save(aside / PROGRAM)
        if starts:
            (aside / STARTS).write_text(json.dumps([p.model_dump(mode="json") for p in starts]))
        if store.model.tokenizer is not None:
            save_tokenizer(store.model.tokenizer, store.model.card.max_tokens, aside / TOKENIZER)
        bundle = _manifest(store.model, plan, graphs, aside, device)
        bundle.save(aside / MANIFEST)
    return bundle


def _graphs(
    store: GraphStore, plan: Plan, program: Program, aside: Path, conditions: Conditions
) -> tuple[Graph, ...]:
    found: list[Graph] = []
    for role in store.roles:
        precision = precision_of(plan, role)
        if precision == "int8":
            key = program.model_dump_json() + conditions.model_dump_json()
            graph, path = store.int8(role, lambda: record(store, plan, program, conditions), key)
        else:
            graph, path = store.floating(role, precision)
        for suffix in (".xml", ".bin"):
            _link(path.with_suffix(suffix), aside / f"{role}{suffix}")
        found.append(graph)
    return tuple(found)


def _link(source: Path, target: Path) -> None:
    """A hard link where the file system allows one: the store and its bundles share weights."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _manifest(
    model: OpenedModel, plan: Plan, graphs: Sequence[Graph], directory: Path, device: Device | None
) -> Bundle:
    config: Any = model.autoencoder.config if model.autoencoder is not None else {}
    files = sorted(p for p in directory.iterdir() if p.is_file())
    names = {p.name for p in files}
    return Bundle(
        model=model.card,
        plan=plan,
        graphs=tuple(graphs),
        device=device,
        program=PROGRAM,
        starts=STARTS if STARTS in names else "",
        tokenizer=TOKENIZER if TOKENIZER in names else "",
        scaling_factor=float(config.get("scaling_factor") or 1.0),
        shift_factor=float(config.get("shift_factor") or 0.0),
        null_class=model.null_class,
        any_size=model.card.family != "class-conditional",
        files={p.name: digest(p) for p in files},
        built_by=f"burnish {version('burnish')}",
    )


def save_tokenizer(tokenizer: Any, length: int, path: Path) -> None:
    """Writes a tokenizer.json that pads and truncates to `length` by itself."""
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())  # a copy: the model's own stays as it is
    fast.enable_truncation(max_length=length)
    fast.enable_padding(length=length, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    fast.save(str(path))
