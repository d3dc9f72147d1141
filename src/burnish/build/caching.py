"""Caching: most calls keep the deep features of earlier ones, and run the denoiser's shallow pieces alone."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.build.calibration import Conditions, request_for
from burnish.build.exact import exact_pipeline
from burnish.build.technique import Technique
from burnish.core.bundle import Role
from burnish.core.errors import BundleError
from burnish.core.files import digest_text
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.program.deep import Moments, reused
from burnish.runtime import Pipeline

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

MOST_FEATURES = 1 << 16  # of a picture, spread evenly: an inner product needs no more


def table(store: GraphStore, plan: Plan, program: Program, conditions: Conditions) -> Program:
    """The program with the table E of the plan's `fresh_calls`; fitted in fp32 the first time, then kept.

    Raises ProgramError as `reused`, PlanError where the denoiser has no such cut.
    """
    asked = [plan.cut, plan.fresh_calls, program.model_dump(mode="json"), conditions.model_dump(mode="json")]
    path = store.root / "deep" / f"{digest_text(json.dumps(asked))[:24]}.json"
    with suppress(BundleError):
        return Program.read(path)
    with exact_pipeline(store, plan) as pipeline:
        found = reused(program, moments_of(pipeline, program, conditions), plan.fresh_calls)
    found.save(path)
    return found


def moments_of(pipeline: Pipeline, program: Program, conditions: Conditions) -> Moments:
    """Inner products of the deep features of every two calls, where each call computes its own."""
    kept: list[np.ndarray] = []
    (wire,) = pipeline.bundle.graph("deep").outputs  # type: ignore[union-attr]  # it is cut

    def see(role: Role, wires: dict[str, Any]) -> None:
        if role == "up":
            features = wires[wire].reshape(len(wires[wire]), -1)
            kept.append(np.array(features[:, :: -(-features.shape[1] // MOST_FEATURES)]))

    bench = pipeline.observed(see).with_program(program.model_copy(update={"deep": ()}))
    bench.generate(request_for(bench, conditions, program))
    two = any(w != 1.0 for w in program.guidance) and len(kept) > program.calls
    grams = [np.zeros((program.calls, program.calls)) for _ in range(2 if two else 1)]
    of: list[list[int | None]] = [[None] * program.calls for _ in grams]
    place = 0
    for i, w in enumerate(program.guidance):
        for k in range(2 if two and w != 1.0 else 1):  # the conditional pass comes first
            of[k][i] = place
            place += 1
    for gram, places in zip(grams, of, strict=True):
        for i, a in enumerate(places):
            for j, b in enumerate(places[: i + 1]):
                if a is not None and b is not None:
                    gram[i, j] = gram[j, i] = np.vdot(kept[a], kept[b]) / kept[a].size
    return Moments(passes=tuple(grams))


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if plan.fresh_calls and not plan.cut:
        return "deep features are kept where the denoiser is cut, and cut is 0"
    if plan.fresh_calls > plan.num_inference_steps:
        return f"of {plan.num_inference_steps} steps {plan.fresh_calls} cannot be fresh"
    return ""


TECHNIQUE = Technique(
    name="caching",
    fields=("cut", "fresh_calls"),
    effect="Deep features change little from call to call; a call that keeps them runs shallow layers alone.",
    cost="one run of the program on twelve prompts",
    paper="Ma et al., DeepCache, arXiv 2312.00858; Liu et al., TaylorSeer, arXiv 2503.06923",
    refusal=_refusal,
)
