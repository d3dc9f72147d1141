"""Benches: one bundle a set of graphs, on which every table is tried, with its measured costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from burnish.build import GraphStore, build
from burnish.build.calibration import Conditions
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.files import digest_text, write_text
from burnish.core.model import Device
from burnish.core.plan import EVERYWHERE, Plan
from burnish.core.program import Program
from burnish.measure.cost import measure_cold
from burnish.runtime import Pipeline
from burnish.search.costs import GraphSeconds, graph_seconds

# What decides the graphs; all else of a plan is its table.
GRAPHS = ("precision", "floating", "weights", "cut", "token_merging")
CALIBRATION_STEPS = 10  # of the table that the trial int8 graphs are calibrated on
SIDE_BY_SIDE = 0.9  # of the time of two passes in turn: what two at once must take to be worth their memory


@dataclass(frozen=True)
class Bench:
    """An open bundle, how many passes are best run at once, and the seconds of each graph."""

    pipeline: Pipeline
    seconds: GraphSeconds  # a pass after the other
    streams: int
    side_by_side: GraphSeconds

    @cached_property
    def disk_mib(self) -> float:
        """Size of the whole bundle."""
        return sum(p.stat().st_size for p in self.pipeline.directory.rglob("*") if p.is_file()) / 2**20

    @cached_property
    def peak_mib(self) -> float:
        """Memory of a whole process that draws one picture; a table's length adds nothing to it."""
        return measure_cold(self.pipeline.directory, first=True).peak_mib

    def latency_s(self, plan: Plan, program: Program) -> float:
        """Seconds of one picture."""
        return (self.side_by_side if plan.streams > 1 else self.seconds).latency_s(program)


@dataclass
class Benches:
    """Builds a bench when a plan first asks for its graphs.

    Seconds are measured in turns with the original's, and are said as if all had been measured when the first
    was: other work on the machine slows both alike.
    """

    store: GraphStore
    folder: Path
    conditions: Conditions
    device: Device
    original: Pipeline
    report: Callable[[str, float], None]
    _made: dict[tuple[Any, ...], Bench] = field(default_factory=dict)

    @cached_property
    def original_seconds(self) -> GraphSeconds:
        """Of the original's graphs, at the beginning."""
        return graph_seconds({0: self.original})[0]

    def remember(self, path: Path) -> None:
        """Takes the original's seconds from `path`, where an earlier search left them, or leaves them there.

        What both measure is then said as if it had been measured at once.
        """
        with suppress(OSError, ValueError):
            self.original_seconds = GraphSeconds(of=json.loads(path.read_text()))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(dict(self.original_seconds.of)))

    def of(self, plan: Plan) -> Bench:
        """The bench of a plan's graphs; raises PlanError and ModelError as `build` does."""
        key = tuple(getattr(plan, name) for name in GRAPHS)
        if key not in self._made:
            self._made[key] = self._bench(Plan(**dict(zip(GRAPHS, key, strict=True))))
        return self._made[key]

    def settled(self, plan: Plan) -> Plan:
        """The plan with as many streams as are best for its graphs, where all calls are guided."""
        paired = plan.guidance_interval == EVERYWHERE and plan.guidance_scale != 1.0
        two = self.store.model.card.guidance == "classifier-free"
        return plan.model_copy(update={"streams": self.of(plan).streams if two and paired else 1})

    def _bench(self, graphs: Plan) -> Bench:
        update = {"guidance_scale": self.store.model.card.guidance_scale}
        plan = graphs.model_copy(update={**update, "num_inference_steps": CALIBRATION_STEPS})
        self.report(f"building graphs: {plan.describe()}", 0.0)
        directory = self.folder / digest_text(plan.model_dump_json())[:8]
        build(self.store, plan, directory, conditions=self.conditions, device=self.device)
        pipelines = {n: Pipeline(directory, verify=False, streams=n) for n in (1, 2)}
        if self.store.model.card.guidance != "classifier-free" or graphs.weights:
            del pipelines[2]
        bench = self._timed(pipelines)
        if bench.streams > 1:  # its memory is measured as its plans run
            manifest = directory / MANIFEST
            own = Bundle.read(manifest)
            plan = own.plan.model_copy(update={"streams": bench.streams})
            own.model_copy(update={"plan": plan}).save(manifest)
        return bench

    def _timed(self, pipelines: Mapping[int, Pipeline]) -> Bench:
        first = self.original_seconds.denoiser
        found = graph_seconds({0: self.original, **pipelines})
        share = first / found[0].denoiser
        seconds = {n: found[n].scaled(share) for n in pipelines}
        streams = 2 if 2 in seconds and seconds[2].denoiser < SIDE_BY_SIDE * seconds[1].denoiser else 1
        return Bench(pipelines[streams], seconds[1], streams, seconds[streams])
