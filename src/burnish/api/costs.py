"""What pictures cost on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from burnish.api.models import directory_of, identity, inspect
from burnish.core.errors import BundleError, ModelError
from burnish.core.evidence import Measurement, Prompt
from burnish.core.source import Model, source_of
from burnish.measure.cost import STOCK, measure_cold, measure_cost, measure_in_process
from burnish.measure.draw import request_for
from burnish.measure.energy import energy_meter, estimate
from burnish.runtime import Pipeline, Request


def measure(bundle: Path, *, batch: int = 1, repeats: int = 3) -> Measurement:
    """What pictures of a bundle cost: seconds and joules in this process, memory and start in fresh ones."""
    pipeline = Pipeline(bundle)
    request = probe_request(pipeline, batch)
    cost = measure_cost(lambda: pipeline.generate(request), repeats, meter=energy_meter())
    cold, first = (measure_cold(bundle, batch, first=first) for first in (False, True))
    if identity(bundle) != pipeline.bundle.identity:
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
        energy_j=cost.energy_j / batch,
        energy_from=cost.energy_from,
    )


def measure_stock(model: Model, *, batch: int = 1) -> Measurement:
    """The same costs of the stock diffusers pipeline on the model directory, in a fresh process.

    In as many steps as the original is judged by, with the guidance that its pipeline has by default.
    Joules are always estimated from its CPU-seconds: compare them with other estimates only. Raises
    ModelError, also for a model that is not as published.
    """
    if not source_of(model).as_published:
        raise ModelError(
            f"stock diffusers is measured as a model is published, not as {model}",
            "Leave out --size and --lora, or measure its fp32 bundle",
        )
    path = directory_of(model)
    card = inspect(model)
    steps, scale = card.reference_steps, card.guidance_scale
    argv = [str(STOCK), str(path), card.family, str(steps), str(scale), str(batch)]
    whole = measure_in_process([sys.executable, *argv])
    inner = json.loads(whole.output.strip().splitlines()[-1])
    energy = estimate(inner["cpu_s"])
    return Measurement(
        bundle=card.digest,
        batch=batch,
        calls=steps,
        passes=steps * (2 if card.guidance == "classifier-free" else 1),
        latency_s=inner["latency_s"],
        cpu_s=inner["cpu_s"],
        peak_mib=whole.peak_mib,
        cold_start_s=inner["cold_start_s"],
        first_peak_mib=whole.peak_mib,
        first_start_s=inner["cold_start_s"],  # it keeps nothing, so each is as the first
        disk_mib=_disk_mib(path),
        energy_j=energy.energy_j,
        energy_from=energy.energy_from,
    )


def probe_request(pipeline: Pipeline, batch: int) -> Request:
    """What a bundle is timed on: one prompt or class, as many seeds as pictures."""
    return request_for(pipeline.bundle.model, [Prompt(prompt="1", class_label=1)], tuple(range(batch)))


def _disk_mib(directory: Path) -> float:
    return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file()) / 2**20
