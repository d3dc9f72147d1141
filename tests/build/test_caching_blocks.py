"""Bundles of transformers whose middle blocks run in some calls only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from burnish.build import GraphStore, build, caching
from burnish.build.calibration import Conditions
from burnish.core.errors import PlanError
from burnish.core.plan import Plan
from burnish.program.deep import influence
from burnish.runtime import Pipeline, Request
from tests.graphs.deep_transformers import BLOCKS, FAMILIES, opened

CALLS, FRESH = 8, 3
PLAN = Plan(num_inference_steps=CALLS, guidance_scale=3.0)
WORDS = Conditions(prompts=("a red apple", "a cat"))


@dataclass(frozen=True)
class Made:
    """A model's graphs, a bundle of PLAN in one piece, and one that keeps deep features."""

    store: GraphStore
    whole: Pipeline
    kept: Pipeline


Bundles = Callable[[str], Made]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Bundles of a family, made once."""
    every: dict[str, Made] = {}

    def of(name: str) -> Made:
        if name not in every:
            root = tmp_path_factory.mktemp("caching") / name
            store = GraphStore(opened(name, root / "model"), root / "graphs")
            plans = PLAN, PLAN.model_copy(update={"cut": 1, "fresh_calls": FRESH})
            for folder, plan in zip(("whole", "kept"), plans, strict=True):
                build(store, plan, root / folder, conditions=WORDS)
            every[name] = Made(store, Pipeline(root / "whole"), Pipeline(root / "kept"))
        return every[name]

    return of


def unseen(name: str) -> Request:
    """What no table was fitted to."""
    own: dict[str, Any] = {"prompts": ("a blue hat",)}
    return Request(seeds=(3, 4), **({"class_labels": (7,)} if name == "class_conditional" else own))


def with_table(pipeline: Pipeline, deep: Sequence[Sequence[float]]) -> Pipeline:
    """The bundle with another table E."""
    return pipeline.with_program(pipeline.program.model_copy(update={"deep": tuple(map(tuple, deep))}))


def plain(fresh: Sequence[bool]) -> list[list[float]]:
    """The table in which a stale call uses the features of the last fresh one as they are."""
    last = [max(j for j in range(i + 1) if fresh[j]) for i in range(len(fresh))]
    return [[float(j == last[i]) for j in range(i + 1)] for i in range(len(fresh))]


def features(made: Made, name: str) -> np.ndarray:
    """What each pass's middle blocks add (passes, numbers), every call fresh, of what was not fitted to."""
    pipeline = made.kept
    (wire,) = pipeline.graphs["deep"].graph.outputs
    seen: list[np.ndarray] = []
    watched = pipeline.observed(lambda role, wires: seen.append(wires[wire].copy()) if role == "up" else None)
    watched.with_program(made.whole.program).generate(unseen(name))
    return np.stack([each.ravel() for each in seen])


def lost(pipeline: Pipeline, deep: Sequence[Sequence[float]], every: np.ndarray) -> float:
    """Squared errors of what a table makes of `every` call's features, weighed by what each call moves."""
    weights, passes = influence(pipeline.program), len(every) // CALLS
    total = 0.0
    for k in range(passes):
        own = every[k::passes].astype(np.float64)
        for i, row in enumerate(deep):
            error = np.square(np.array(row) @ own[: i + 1] - own[i]).sum() / np.square(own[i]).sum()
            total += weights[i] * error
    return total


@pytest.mark.parametrize("name", FAMILIES)
def test_a_cut_transformer_draws_the_same_pictures(name: str, made: Bundles) -> None:
    """With every call fresh a picture's numbers (0..255) are the whole model's, or 1 off by rounding."""
    found = made(name)
    ours = found.kept.with_program(found.whole.program).generate(unseen(name)).astype(int)
    theirs = found.whole.generate(unseen(name)).astype(int)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01


@pytest.mark.parametrize("name", FAMILIES)
def test_stale_calls_run_no_middle_block(name: str, made: Bundles) -> None:
    """Three calls of eight run the deep piece; the picture stays nearer than without the blocks."""
    found, ran = made(name), list[str]()
    watched = found.kept.observed(lambda role, wires: ran.append(role))
    drawn = watched.generate(unseen(name)).astype(float)
    program = found.kept.program
    assert sum(program.fresh(i) for i in range(CALLS)) == FRESH
    assert ran.count("deep") == program.fresh_passes < ran.count("up") == program.passes
    exact = found.whole.generate(unseen(name)).astype(float)
    without = [[1.0], *([0.0] * (i + 1) for i in range(1, CALLS))]
    blind = with_table(found.kept, without).generate(unseen(name)).astype(float)
    assert 0 < np.square(drawn - exact).mean() < np.square(blind - exact).mean() / 4


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fitted_table_foretells_better_than_plain_reuse(name: str, made: Bundles) -> None:
    """On what was not fitted to, features are nearer than the last fresh ones or every third call's."""
    pipeline = made(name).kept
    every, table = features(made(name), name), pipeline.program.deep
    fresh = [pipeline.program.fresh(i) for i in range(CALLS)]
    ours = lost(pipeline, table, every)
    assert ours < lost(pipeline, plain(fresh), every)
    assert ours < lost(pipeline, plain([i % 3 == 0 for i in range(CALLS)]), every)


def test_a_part_of_the_features_says_what_all_say(made: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner products over a twelfth of the numbers are those over all, to a tenth of the norms."""
    found = made("pixart_sigma")
    whole = caching.moments_of(found.kept, found.whole.program, WORDS)
    monkeypatch.setattr(caching, "MOST_FEATURES", 32)  # of 16 tokens, 24 numbers each
    part = caching.moments_of(found.kept, found.whole.program, WORDS)
    for ours, theirs in zip(part.passes, whole.passes, strict=True):
        assert not np.array_equal(ours, theirs)
        ours, theirs = (g / np.sqrt(np.outer(g.diagonal(), g.diagonal())) for g in (ours, theirs))
        assert np.abs(ours - theirs).max() < 0.1


def test_int8_in_pieces_is_as_near_as_int8_whole(made: Bundles, tmp_path: Any) -> None:
    """The same table in int8, calibrated as it runs, is no further from fp32 than the whole in int8 is."""
    found, errors = made("class_conditional"), []
    for exact in (found.whole, found.kept):
        plan = exact.bundle.plan.model_copy(update={"precision": "int8"})
        build(found.store, plan, tmp_path / str(plan.cut), conditions=WORDS)
        rounded = Pipeline(tmp_path / str(plan.cut))
        assert rounded.program == exact.program
        drawn = [p.generate(unseen("class_conditional")).astype(float) for p in (rounded, exact)]
        errors.append(np.square(drawn[0] - drawn[1]).mean())
    whole, kept = errors
    assert 0 < kept < 2 * whole


def test_no_transformer_is_cut_deeper_than_its_blocks(made: Bundles, tmp_path: Any) -> None:
    """Five blocks have two cuts; a third is refused with what is the deepest."""
    store = made("class_conditional").store
    assert len(store.depths) == (BLOCKS - 1) // 2
    with pytest.raises(PlanError, match="no cut at depth 3") as refused:
        build(store, PLAN.model_copy(update={"cut": 3}), tmp_path / "none", conditions=WORDS)
    assert refused.value.remedy == "The deepest is 2"
