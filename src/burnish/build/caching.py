"""Caching: most calls keep the deep features of earlier ones, and run the denoiser's shallow pieces alone.

Which calls are fresh and what stale ones make of their features comes first (the table E), then the rows of
the solver's table, fitted to what the cached calls give (W).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from burnish.build.calibration import Conditions, request_for
from burnish.build.exact import exact_pipeline
from burnish.build.learned import requests
from burnish.build.technique import Technique
from burnish.core.bundle import Role
from burnish.core.errors import BundleError
from burnish.core.files import digest_text
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.program.deep import Moments, reused
from burnish.program.refit import Cached, Refit, refitted
from burnish.program.trajectories import Single, combine
from burnish.runtime import Pipeline, Request

if TYPE_CHECKING:
    from burnish.build.store import GraphStore

MOST_FEATURES = 1 << 16  # of a picture: an inner product needs no more
TRAJECTORIES = 24  # that rows are fitted to and judged by, half of them each


def table(
    store: GraphStore, plan: Plan, program: Program, conditions: Conditions, *, refit: bool = True
) -> Program:
    """The program with the table E of the plan's `fresh_calls`; fitted in fp32 the first time, then kept.

    `refit` fits the rows of W to the cached calls, where none draws noise. Raises ProgramError as `reused`,
    PlanError where the denoiser has no such cut.
    """
    given = [program.model_dump(mode="json"), conditions.model_dump(mode="json")]
    asked = [plan.cut, plan.fresh_calls, refit, *given]
    path = store.root / "deep" / f"{digest_text(json.dumps(asked))[:24]}.json"
    with suppress(BundleError):
        return Program.read(path)
    with exact_pipeline(store, plan) as pipeline:
        found = reused(program, moments_of(pipeline, program, conditions), plan.fresh_calls)
        if refit and not found.stochastic:
            found = refit_of(pipeline, found, conditions).program
    found.save(path)
    return found


def refit_of(
    pipeline: Pipeline, program: Program, conditions: Conditions, count: int = TRAJECTORIES
) -> Refit:
    """The rows of a program with a table E, fitted to its own `count` trajectories with every call fresh.

    Raises ProgramError as `refitted`.
    """
    asked = requests(pipeline.bundle.model, conditions, count)
    start, fresh = _bound(pipeline, program.model_copy(update={"deep": ()}), asked)
    outputs: list[Single] = []
    states = []
    for i, row in enumerate(program.rows):
        states.append(combine(row, start, outputs))
        if i < program.calls:
            outputs.append(fresh(i, (program.input_scale[i] * states[i]).astype(np.float32)))
    return refitted(program, start, states, _bound(pipeline, program, asked)[1])


def _bound(pipeline: Pipeline, program: Program, asked: Sequence[Request]) -> tuple[Single, Cached]:
    """The unit noise of all that is asked, and the denoiser bound to it."""
    opened = pipeline.with_program(program)
    starts, denoisers = zip(*(opened.denoiser(request) for request in asked), strict=True)
    ends = np.cumsum([len(start) for start in starts])[:-1]

    def denoise(i: int, scaled: Single) -> Single:
        parts = zip(denoisers, np.split(scaled, ends), strict=True)
        return np.concatenate([denoiser(i, part) for denoiser, part in parts])

    return np.concatenate(starts), denoise


def moments_of(pipeline: Pipeline, program: Program, conditions: Conditions) -> Moments:
    """Inner products of the deep features of every two calls, where each call computes its own."""
    kept: list[np.ndarray] = []
    (wire,) = pipeline.bundle.graph("deep").outputs  # type: ignore[union-attr]  # it is cut

    def see(role: Role, wires: dict[str, Any]) -> None:
        if role == "up":
            features = wires[wire].reshape(len(wires[wire]), -1)
            kept.append(np.array(features[:, _some(features.shape[1], MOST_FEATURES)]))

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


@lru_cache(maxsize=4)
def _some(size: int, most: int) -> NDArray[np.int64]:
    """At most so many of the places 0 .. size - 1, the same each time, and at no even distance: that could
    be the width of a token, and always meet the same channels.
    """
    return np.sort(np.random.default_rng(0).permutation(size)[:most])


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
    cost=f"one run of the program on twelve prompts, five on {TRAJECTORIES}; kept",
    paper="Ma et al., DeepCache, arXiv 2312.00858; Chen et al., Delta-DiT, arXiv 2406.01125; "
    "Liu et al., TaylorSeer, arXiv 2503.06923",
    refusal=_refusal,
)
