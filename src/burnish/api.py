"""The verbs in Python, and all that the command line calls: load, inspect, optimize, build, measure, gate."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from burnish.build import GraphStore, check_target, reference_plan
from burnish.build import build as build_plan
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError, BurnishError, PlanError, RequestError, SuiteError
from burnish.core.evidence import Measurement, Prompt, Quality, Suite, Verdict
from burnish.core.files import cache_directory, digest, digest_text, directory_aside, make_room
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Floor, Plan
from burnish.load import OpenedModel, open_model, probe_device, resolve
from burnish.load import inspect as inspect_directory
from burnish.measure.controls import planted
from burnish.measure.cost import STOCK, measure_cold, measure_cost, measure_in_process
from burnish.measure.draw import draw_part, request_for
from burnish.measure.gate import require_decidable, verdict
from burnish.measure.interval import mean_interval
from burnish.measure.judge import Judge, open_judge
from burnish.measure.pictures import Pictures
from burnish.measure.scores import score
from burnish.measure.suite import general_suite
from burnish.runtime import Pipeline, Request
from burnish.runtime.request import Pixels
from burnish.search import Optimized, conditions_of, write_evidence
from burnish.search import optimize as search_plans

MOST_BYTES = 64 << 30  # of kept graphs in all; the least recently used models go first
MODELS = Path(str(files("burnish"))) / "models"


def load(model: str | Path) -> OpenedModel:
    """Opens a model directory or an embedded model; raises ModelError."""
    return open_model(resolve(model))


def inspect(model: str | Path) -> ModelCard:
    """What a model directory is, without making any of its parts; raises ModelError."""
    return inspect_directory(resolve(model))


def _store(model: str | Path) -> GraphStore:
    """The graphs of a model, those that were used last kept with them."""
    store = GraphStore(load(model), cache_directory() / "graphs")
    store.root.mkdir(parents=True, exist_ok=True)
    store.root.touch()
    make_room(store.directory, MOST_BYTES)
    return store


def default_suite(card: ModelCard) -> Suite:
    """The suite that the embedded model brings, or a general one."""
    return Suite.read(MODELS / "icons-suite.json") if _is_icons(card) else general_suite(card)


def default_judge(card: ModelCard, floor: Floor) -> Judge:
    """The judge that the icons model brings; raises SuiteError where its eye is not to be trusted."""
    if floor == "equivalent" and not _is_icons(card):
        raise SuiteError(
            f"the judge at hand knows 64-pixel icons, not what {card.name} draws",
            "Give --judge DIR, a CLIPModel directory (a gate can do without: --floor faithful)",
        )
    return open_judge(MODELS / "icons-judge")


def _is_icons(card: ModelCard) -> bool:
    return card.digest == inspect("icons").digest


def _exam(
    card: ModelCard, floor: Floor, suite: Suite | None, judge: Path | None, *, choosing: bool
) -> tuple[Suite, Judge]:
    """What a candidate for this model is judged on and by; raises SuiteError, ModelError."""
    if floor == "equivalent" and card.family != "stable-diffusion":
        raise SuiteError(f"{card.name} has no prompts for a judge to compare with", "Use --floor faithful")
    asked = suite or default_suite(card)
    require_decidable(asked, floor, choosing=choosing)
    return asked, open_judge(judge) if judge else default_judge(card, floor)


def _identity(bundle: Path) -> str:
    return Bundle.read(bundle / MANIFEST).identity


def _signed(found: Verdict, candidate: str, reference: str, suite: Suite, judge: Judge) -> Verdict:
    """The verdict with what it was reached on; both bundles by their identity when they were opened."""
    return found.model_copy(
        update={
            "candidate": candidate,
            "reference": reference,
            "suite": digest_text(suite.model_dump_json()),
            "judge": judge.digest,
        }
    )


def optimize(
    model: str | Path,
    directory: Path,
    *,
    floor: Floor = "equivalent",
    max_latency_s: float | None = None,
    max_memory_mib: float | None = None,
    suite: Suite | None = None,
    judge: Path | None = None,
    device: Device | None = None,
    time_limit_s: float = 900.0,
    stock: bool = True,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Bundle:
    """Writes the cheapest bundle of `model` that passes `floor` into `directory`, with its evidence.

    `stock` measures the original as diffusers runs it, where diffusers can, otherwise as a bundle. Raises
    ModelError, PlanError (NothingPassesError), SuiteError, OSError; `directory` is then as it was.
    """
    check_target(directory)
    report("opening the model", 0.0)
    store = _store(model)
    asked, opened = _exam(store.model.card, floor, suite, judge, choosing=True)
    report("probing the device", 0.0)
    with (
        directory_aside(directory) as aside,
        TemporaryDirectory(prefix=".search.", dir=store.root) as scratch,
    ):
        found = search_plans(
            store,
            aside,
            scratch=Path(scratch),
            suite=asked,
            judge=opened,
            device=device or probe_device(),
            floor=floor,
            max_latency_s=max_latency_s,
            max_memory_mib=max_memory_mib,
            time_limit_s=time_limit_s,
            report=report,
        )
        identities = _identity(aside), _identity(found.reference)
        found = replace(found, verdict=_signed(found.verdict, *identities, asked, opened))
        report("measuring", 0.3)
        cost = measure(aside)
        _require_within(cost, max_latency_s, max_memory_mib)
        report("measuring the original", 0.6)
        original, how = _measure_original(model, found.reference, stock)
        report("writing the report", 0.9)
        bundle = _with_evidence(aside, found, cost, original, how)
    shutil.rmtree(found.notes, ignore_errors=True)
    return bundle


def _with_evidence(
    directory: Path, found: Optimized, cost: Measurement, original: Measurement, how: str
) -> Bundle:
    """The bundle of a search with what was found out about it, in its manifest and beside it."""
    update = {"measurement": cost, "original": original, "verdict": found.verdict}
    bundle = Bundle.read(directory / MANIFEST).model_copy(update=update)
    bundle.save(directory / MANIFEST)  # which the report reads
    write_evidence(directory, found, how)
    written = sorted((directory / "evidence").iterdir())
    evidence = {p.relative_to(directory).as_posix(): digest(p) for p in written}
    bundle = bundle.model_copy(update={"evidence": evidence})
    bundle.save(directory / MANIFEST)
    return bundle


def _measure_original(model: str | Path, reference: Path, stock: bool) -> tuple[Measurement, str]:
    """What the original costs, and in words on what that was measured.

    The search is not lost where the stock pipeline fails: it takes class 1000 for "no class" whatever the
    model's classes, and may need more memory than there is.
    """
    if not stock:
        return measure(reference), "as an fp32 bundle"
    try:
        return measure_stock(model), "with diffusers"
    except BurnishError as error:
        return measure(reference), f"as an fp32 bundle, since diffusers failed ({error.remedy[:100]})"


def _require_within(cost: Measurement, max_latency_s: float | None, max_memory_mib: float | None) -> None:
    """Plans are chosen by their graphs' costs; what is promised is what the whole takes."""
    if max_latency_s is not None and cost.latency_s > max_latency_s:
        raise PlanError(
            f"the cheapest plan that passes takes {cost.latency_s:.3g} s a picture", "Raise --max-latency"
        )
    if max_memory_mib is not None and cost.first_peak_mib > max_memory_mib:
        peak = f"{cost.first_peak_mib:.0f} MiB"
        raise PlanError(f"the cheapest plan that passes takes {peak}", "Raise --max-memory")


def build(model: str | Path, plan: Plan, directory: Path, *, suite: Suite | None = None) -> Bundle:
    """The bundle of one plan, without search or verdict; raises ModelError, PlanError, OSError."""
    store = _store(model)
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
    cost = measure_cost(lambda: pipeline.generate(request), repeats)
    cold, first = (measure_cold(bundle, batch, first=first) for first in (False, True))
    if _identity(bundle) != pipeline.bundle.identity:
        raise BundleError(f"{bundle} was replaced while it was measured", "Measure it again")
    return Measurement(
        bundle=pipeline.bundle.identity,
        batch=batch,
        calls=pipeline.program.calls,
        passes=pipeline.program.passes,
        latency_s=cost.latency_s / batch,
        cpu_s=cost.cpu_s / batch,
        peak_mib=cold.peak_mib,
        cold_start_s=cold.latency_s,
        first_peak_mib=first.peak_mib,
        first_start_s=first.latency_s,
        disk_mib=_disk_mib(bundle),
    )


def measure_stock(model: str | Path, *, batch: int = 1, num_inference_steps: int = 50) -> Measurement:
    """The same costs of the stock diffusers pipeline on the model directory, in a fresh process."""
    path = resolve(model)
    card = inspect(model)
    argv = [str(STOCK), str(path), card.family, str(num_inference_steps), str(batch)]
    whole = measure_in_process([sys.executable, *argv])
    inner = json.loads(whole.output.strip().splitlines()[-1])
    return Measurement(
        bundle=card.digest,
        batch=batch,
        calls=num_inference_steps,
        passes=num_inference_steps * (1 if card.family == "unconditional" else 2),
        latency_s=inner["latency_s"],
        cpu_s=inner["cpu_s"],
        peak_mib=whole.peak_mib,
        cold_start_s=inner["cold_start_s"],
        first_peak_mib=whole.peak_mib,
        first_start_s=inner["cold_start_s"],  # it keeps nothing, so each is as the first
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
    base = _opened(against)
    _require_alike(candidate, base)
    asked, opened = _exam(base.bundle.model, floor, suite, judge, choosing=False)
    texts = [p.prompt for p in asked.confirmation]
    reference = _drawn(base, asked, "original", report)
    ours = _drawn(candidate, asked, "candidate", report)
    found = verdict(
        floor,
        score(opened, texts, ours, reference),
        score(opened, texts, reference, reference),
        planted(opened, texts, reference),
    )
    return _signed(found, candidate.bundle.identity, base.bundle.identity, asked, opened)


def measure_quality(
    bundle: Path,
    suite: Suite,
    *,
    against: str | Path | None = None,
    judge: Path | None = None,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Quality:
    """How good a bundle's pictures of a suite's confirmation prompts are, and how near to `against`.

    Without `judge` the icons model's own is asked, which knows icons alone. Raises BundleError, ModelError,
    SuiteError.
    """
    pipeline = Pipeline(bundle)
    require_decidable(suite, "faithful", choosing=False)
    base = pipeline if against is None else _opened(against)
    _require_alike(pipeline, base)
    card = pipeline.bundle.model
    floor: Floor = "equivalent" if card.family == "stable-diffusion" else "faithful"
    opened = open_judge(judge) if judge else default_judge(card, floor)
    ours = _drawn(pipeline, suite, "bundle", report)
    reference = ours if against is None else _drawn(base, suite, "original", report)
    found = score(opened, [p.prompt for p in suite.confirmation], ours, reference)
    metrics = {"broken pictures": found.broken.astype(float)}
    if card.family == "stable-diffusion":
        metrics["alignment"] = found.alignment
    if against is not None:
        metrics |= {"PSNR": found.psnr, "SSIM": found.ssim, "feature distance": found.distance}
    return Quality(
        bundle=pipeline.bundle.identity,
        against="" if against is None else base.bundle.identity,
        suite=digest_text(suite.model_dump_json()),
        judge=opened.digest,
        metrics={name: mean_interval(values.mean(axis=1)) for name, values in metrics.items()},
        seeds=len(suite.seeds),
    )


def _drawn(
    pipeline: Pipeline, suite: Suite, name: str, report: Callable[[str, float], None]
) -> list[Pictures]:
    """The pictures of a suite's confirmation prompts."""
    return draw_part(
        pipeline,
        suite,
        "confirmation",
        progress=lambda done, of: report(f"{name}'s pictures {done}/{of}", done / of),
    )


def _opened(against: str | Path) -> Pipeline:
    """A bundle, or the bundle of a model with its default plan, which is kept for the next time."""
    if (Path(against) / MANIFEST).is_file():
        return Pipeline(against)
    store = _store(against)
    directory = store.root / "reference"
    with suppress(BundleError):
        return Pipeline(directory)
    build_plan(store, reference_plan(store.model), directory)
    return Pipeline(directory)


def _require_alike(candidate: Pipeline, reference: Pipeline) -> None:
    """Raises SuiteError where two bundles' pictures cannot be compared."""
    ours, theirs = ((p.bundle.model.family, p.bundle.model.image_shape) for p in (candidate, reference))
    if ours != theirs:
        raise SuiteError(f"{candidate.directory} draws {ours}, the other {theirs}", "Take two alike")


def _probe_request(pipeline: Pipeline, batch: int) -> Request:
    return request_for(pipeline.bundle.model, [Prompt(prompt="1", class_label=1)], tuple(range(batch)))


def _disk_mib(directory: Path) -> float:
    return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file()) / 2**20
