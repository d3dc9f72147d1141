"""The verbs in Python, and all that the command line calls: load, inspect, optimize, build, measure, gate."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from burnish.build import GraphStore, check_target, reference_plan
from burnish.build import build as build_plan
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import RequestError, SuiteError
from burnish.core.evidence import Measurement, Prompt, Suite, Verdict
from burnish.core.files import digest
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Floor, Plan
from burnish.load import OpenedModel, open_model, probe_device, resolve
from burnish.load import inspect as inspect_directory
from burnish.measure.controls import planted
from burnish.measure.cost import measure_cost, measure_in_process
from burnish.measure.draw import draw, request_for
from burnish.measure.gate import verdict
from burnish.measure.judge import Judge, open_judge
from burnish.measure.scores import score
from burnish.runtime import Pipeline, Request
from burnish.runtime.manifest import open_manifest
from burnish.runtime.request import Pixels
from burnish.search import Optimized, conditions_of
from burnish.search import optimize as search_plans

MODELS = Path(str(files("burnish"))) / "models"
GENERAL = (
    "a red apple",
    "a cat",
    "a house by the sea",
    "a blue car",
    "a mountain in snow",
    "a cup of coffee",
    "portrait of an old woman",
    "a man with a hat",
    "a dog in the park",
    "a robot",
    "a bowl of fruit",
    "a tree",
    "a city street at night",
    "a wooden chair",
    "a bird on a branch",
    "a sailing boat",
    "a birthday cake",
    "an astronaut",
    "a castle",
    "a field of flowers",
    "a guitar",
    "a bicycle",
    "a lighthouse",
    "a fox",
)


def cache_directory() -> Path:
    """Where graphs and a reference's pictures are kept between runs."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "burnish"


def load(model: str | Path) -> OpenedModel:
    """Opens a model directory or an embedded model; raises ModelError."""
    return open_model(resolve(model))


def inspect(model: str | Path) -> ModelCard:
    """What a model directory is, without making any of its parts; raises ModelError."""
    return inspect_directory(resolve(model))


def default_suite(card: ModelCard) -> Suite:
    """The embedded model's own suite, or a small general one for models that bring none."""
    shipped = MODELS / f"{card.name}-suite.json"
    if shipped.is_file():
        return Suite.read(shipped)
    if card.family == "stable-diffusion":
        prompts = [Prompt(prompt=text) for text in GENERAL]
    elif card.family == "class-conditional":
        labels = range(0, card.classes, max(1, card.classes // 32))
        prompts = [Prompt(class_label=k) for k in labels]
    else:
        prompts = [Prompt(prompt=str(k)) for k in range(1, 33)]
    third = len(prompts) // 3
    return Suite(
        name="general", selection=tuple(prompts[:third]), confirmation=tuple(prompts[third:]), seeds=(0, 1)
    )


def default_judge(path: Path | None = None) -> Judge:
    """The judge at `path`, or the one that the icons model brings; raises ModelError."""
    return open_judge(path or MODELS / "icons-judge")


def optimize(
    model: str | Path,
    directory: Path,
    *,
    floor: Floor = "equivalent",
    max_latency_s: float | None = None,
    suite: Suite | None = None,
    judge: Path | None = None,
    device: Device | None = None,
    time_limit_s: float = 900.0,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Optimized:
    """The cheapest bundle of `model` that passes `floor`, written into `directory` with its evidence.

    Raises ModelError, PlanError (NothingPassesError), SuiteError, OSError; `directory` is then as it was.
    """
    check_target(directory)
    report("opening the model", 0.0)
    store = GraphStore(load(model), cache_directory() / "graphs")
    card = store.model.card
    if floor == "equivalent" and card.family != "stable-diffusion":
        raise SuiteError(f"{card.name} has no prompts for a judge to compare with", "Use --floor faithful")
    report("probing the device", 0.0)
    found = search_plans(
        store,
        directory,
        suite=suite or default_suite(card),
        judge=default_judge(judge),
        device=device or probe_device(),
        floor=floor,
        max_latency_s=max_latency_s,
        time_limit_s=time_limit_s,
        report=report,
    )
    report("measuring", 0.0)
    cost = measure(directory)
    Bundle.read(directory / MANIFEST).model_copy(update={"measurement": cost, "verdict": found.verdict}).save(
        directory / MANIFEST
    )
    return found


def build(model: str | Path, plan: Plan, directory: Path, *, suite: Suite | None = None) -> Bundle:
    """The bundle of one plan, without search or verdict; raises ModelError, PlanError, OSError."""
    store = GraphStore(load(model), cache_directory() / "graphs")
    asked = suite or default_suite(store.model.card)
    return build_plan(store, plan, directory, conditions=conditions_of(asked))


def generate(
    bundle: Path, prompts: Sequence[str] = (), *, seed: int = 0, num_images: int = 1, **asked: Any
) -> Pixels:
    """Pictures (prompts x num_images, height, width, 3; uint8), seeds counted up from `seed` for each prompt.

    `asked` are further fields of Request. Raises BundleError, RequestError.
    """
    pipeline = Pipeline(bundle)
    seeds = tuple(seed + k for k in range(num_images))
    if pipeline.bundle.model.family != "stable-diffusion":
        return pipeline.generate(Request(seeds=seeds, **asked))
    if not prompts:
        raise RequestError("no prompt was given", 'burnish generate BUNDLE "a red apple"')
    spread = tuple(p for p in prompts for _ in seeds)
    return pipeline.generate(Request(seeds=seeds * len(prompts), prompts=spread, **asked))


def measure(bundle: Path, *, batch: int = 1, repeats: int = 3) -> Measurement:
    """What pictures of a bundle cost here: time in this process, memory and cold start in a fresh one."""
    pipeline = Pipeline(bundle)
    request = _probe_request(pipeline, batch)
    cost = measure_cost(lambda: _discard(pipeline.generate(request)), repeats)
    cold = measure_in_process([sys.executable, "-m", "burnish.runtime", str(bundle)])
    return Measurement(
        bundle=digest(bundle / MANIFEST),
        batch=batch,
        calls=pipeline.program.calls,
        passes=pipeline.program.passes,
        latency_s=cost.latency_s / batch,
        cpu_s=cost.cpu_s / batch,
        peak_mib=cold.peak_mib,
        cold_start_s=cold.latency_s,
        disk_mib=_disk_mib(bundle),
    )


def measure_stock(model: str | Path, num_inference_steps: int = 50) -> Measurement:
    """The same costs of the stock diffusers pipeline on the model directory, in a fresh process."""
    path = resolve(model)
    argv = [sys.executable, "-m", "burnish.build.stock", str(path), str(num_inference_steps)]
    whole = measure_in_process(argv)
    inner = json.loads(whole.output.strip().splitlines()[-1])
    return Measurement(
        bundle=inspect(model).digest,
        calls=num_inference_steps,
        passes=inner["passes"],
        latency_s=inner["latency_s"],
        cpu_s=inner["cpu_s"],
        peak_mib=whole.peak_mib,
        cold_start_s=inner["cold_start_s"],
        disk_mib=_disk_mib(path),
    )


def gate(
    bundle: Path,
    against: str | Path,
    *,
    floor: Floor = "equivalent",
    suite: Suite | None = None,
    judge: Path | None = None,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Verdict:
    """Whether `bundle` is as good as `against` (a bundle, or a model with its default plan).

    On the confirmation prompts of the suite, with controls. Raises BundleError, ModelError, SuiteError.
    """
    candidate = Pipeline(bundle)
    base = Pipeline(_as_bundle(against))
    asked = suite or default_suite(candidate.bundle.model)
    opened = default_judge(judge)
    texts = [p.prompt for p in asked.confirmation]
    drawn = []
    for name, pipeline in (("original", base), ("candidate", candidate)):

        def shown(done: int, of: int, name: str = name) -> None:
            report(f"{name}'s pictures {done}/{of}", done / of)

        drawn.append(draw(pipeline, asked.confirmation, asked.seeds, progress=shown))
    reference, ours = drawn
    return verdict(
        floor,
        score(opened, texts, ours, reference),
        score(opened, texts, reference, reference),
        planted(opened, texts, reference),
    )


def _as_bundle(against: str | Path) -> Path:
    if (Path(against) / MANIFEST).is_file():
        return Path(against)
    store = GraphStore(load(against), cache_directory() / "graphs")
    directory = store.directory / store.model.card.digest[:16] / "reference"
    build_plan(store, reference_plan(store.model), directory)
    return directory


def _probe_request(pipeline: Pipeline, batch: int) -> Request:
    return request_for(pipeline.bundle.model, [Prompt(prompt="1", class_label=1)], tuple(range(batch)))


def _disk_mib(directory: Path) -> float:
    return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file()) / 2**20


def _discard(_: object) -> None:
    """A measured call returns nothing."""


def provenance(directory: Path) -> dict[str, str]:
    """What a report says of where its numbers come from."""
    bundle = open_manifest(directory, verify=False)
    device = bundle.device
    return {
        "model": f"{bundle.model.name}, sha256 {bundle.model.digest}",
        "bundle": f"sha256 of its manifest {digest(directory / MANIFEST)}",
        "plan": bundle.plan.model_dump_json(),
        "machine": f"{device.name}, {device.cores} cores" if device else platform.processor(),
        "versions": ", ".join(f"{p} {version(p)}" for p in ("burnish", "openvino", "diffusers", "torch")),
    }
