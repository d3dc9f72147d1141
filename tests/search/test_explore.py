"""What is explored: the space, the frontier, and that neither interrupts nor workers change the answer."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from burnish.build import build, fitted_program, reference_plan
from burnish.build.calibration import Conditions
from burnish.core.budget import Budget
from burnish.core.errors import PlanError
from burnish.core.evidence import Prompt, Suite, Verdict
from burnish.core.plan import EVERYWHERE, Plan
from burnish.core.program import Program, Row
from burnish.measure.gate import NOT_FINITE
from burnish.runtime import Pipeline
from burnish.search.benches import Bench, Benches
from burnish.search.budget import beyond, nothing_passes
from burnish.search.candidates import Candidate
from burnish.search.choose import Trial
from burnish.search.costs import GraphSeconds
from burnish.search.explore import Explorer, frontier
from burnish.search.levers import LEVERS, levers
from burnish.search.proxy import Crew, Proxy, Task, alone, error_of
from burnish.search.space import CACHED_STEPS, FITTED_STEPS, STEPS, Space, spread
from tests.conftest import DDPM, SD, Stores, device

SUITE = Suite(
    name="letters",
    selection=tuple(Prompt(prompt=c) for c in "abcd"),
    confirmation=tuple(Prompt(prompt=c) for c in "efghi"),
)
ONE = Program(
    timesteps=(1.0,),
    input_scale=(1.0,),
    guidance=(1.0,),
    estimate=((1.0, 1.0),),
    rows=(Row(start=1.0, outputs=()), Row(start=1.0, outputs=(1.0,))),
)


def candidate(latency_s: float, error: float, scale: float = 7.5) -> Candidate:
    """One that is nothing but its numbers."""
    plan = Plan(guidance_scale=scale, num_inference_steps=round(1000 * latency_s))
    return Candidate(plan=plan, program=ONE, latency_s=latency_s, error=error)


def space(store: Stores, name: str = SD, **changes: object) -> Space:
    """Of a tiny model in fp32, without fitted tables where nothing else is said."""
    model = store(name).model
    found = Space(
        card=model.card,
        reference=reference_plan(model),
        device=None,
        floor="faithful",
        precisions=("fp32",),
    )
    return Space(**{**found.__dict__, **changes})


def test_every_plan_of_the_space_applies_and_comes_once(store: Stores) -> None:
    """Each is within the reference's calls; a fitted table guides all calls, a cut has fresh ones."""
    plans = list(space(store, cuts=(1, 2), floor="equivalent").every())
    assert len(plans) == len(set(plans)) > 500
    for plan in plans:
        assert plan.num_inference_steps in (FITTED_STEPS["equivalent"] if plan.learned else STEPS)
        assert plan.num_inference_steps <= 50
        assert plan.guidance_interval == EVERYWHERE or not plan.learned
        assert (plan.cut > 0) == (plan.fresh_calls > 0)
        assert not plan.cut or (plan.num_inference_steps >= CACHED_STEPS and not plan.learned)
        assert plan.fresh_calls <= plan.num_inference_steps
    scale = reference_plan(store(SD).model).guidance_scale
    assert sorted({plan.guidance_scale for plan in plans}) == pytest.approx([1 + 0.6 * (scale - 1), scale])


def test_the_same_picture_needs_the_same_guidance(store: Stores) -> None:
    """A weaker one is tried for as good a picture alone, and none where the model has no guidance."""
    scales = {plan.guidance_scale for plan in space(store).every()}
    assert scales == {reference_plan(store(SD).model).guidance_scale}
    unguided = list(space(store, DDPM, floor="equivalent").every())
    assert {(p.guidance_scale, p.guidance_interval) for p in unguided} == {
        (reference_plan(store(DDPM).model).guidance_scale, EVERYWHERE)
    }


def test_what_is_asked_first_is_in_the_space(store: Stores) -> None:
    """Each row of first answers is one of its plans."""
    whole = space(store, floor="equivalent", precisions=("bf16", "fp32"), cuts=(1,))
    every = set(whole.every())
    for row in whole.first():
        asked = dict(row)

        def ask(name: str, choices: object, asked: dict[str, object] = asked) -> object:
            assert asked[name] in choices  # type: ignore[operator]
            return asked[name]

        assert whole.propose(ask) in every


@pytest.mark.parametrize(("depths", "expected"), [(0, ()), (1, (1,)), (2, (1, 2)), (6, (2, 4)), (9, (3, 6))])
def test_cuts_are_spread_over_the_depths(depths: int, expected: tuple[int, ...]) -> None:
    """Two at most, inside, counted from 1."""
    assert spread(depths) == expected


def test_the_frontier_is_what_nothing_of_as_much_guidance_beats() -> None:
    """In cost and error at once; another strength of guidance is another picture."""
    a, b, c = candidate(0.1, 0.5), candidate(0.2, 0.3), candidate(0.3, 0.1)
    worse, weaker = candidate(0.25, 0.4), candidate(0.22, 0.45, scale=5.0)
    assert frontier([c, worse, weaker, b, a]) == [a, b, weaker, c]
    for one, other in pairwise(frontier([c, worse, b, a])):
        assert one.latency_s < other.latency_s
        assert one.error > other.error


def test_a_budget_says_what_is_beyond_it() -> None:
    """Each bound is named with the option that raises it; without bounds nothing is beyond."""
    assert Budget().exceeded(1e9, 1e9, 1e9) == ""
    tight = Budget(latency_s=0.1, memory_mib=100.0, disk_mib=10.0)
    assert tight.exceeded(0.1, 100.0, 10.0) == ""
    for numbers, option in (((0.2, 1, 1), "latency"), ((0.1, 200, 1), "memory"), ((0.1, 1, 20), "disk")):
        assert f"--max-{option}" in tight.exceeded(*numbers)


def test_where_nothing_passes_the_nearest_on_each_side_are_named() -> None:
    """The best within the budget, and the cheapest that passes beyond it with what of it is beyond."""
    within, other = [candidate(0.1, 0.5), candidate(0.09, 0.7)], candidate(0.4, 0.1)
    said = str(nothing_passes("faithful", within, (other, "it takes 0.4 s"), ()))
    assert within[0].plan.describe() in said
    assert other.plan.describe() in said
    assert within[1].plan.describe() not in said
    assert "it takes 0.4 s" in said
    assert "no plan is within the budget" in str(nothing_passes("faithful", [], None, ()))


def test_where_none_is_confirmed_other_prompts_are_asked_for() -> None:
    """The prompts that were seen are not offered for another try."""
    verdict = Verdict(floor="faithful", outcome="FAIL", checks=(NOT_FINITE,))
    failed = Trial(candidate=candidate(0.1, 0.5), stage="confirmation", verdict=verdict)
    error = nothing_passes("faithful", [failed.candidate], None, [failed])
    assert "of the 1 plans that were chosen none was confirmed" in str(error)
    assert "other confirmation prompts" in error.remedy


@pytest.fixture(scope="module")
def benches(store: Stores, tmp_path_factory: pytest.TempPathFactory) -> Benches:
    """Of the tiny Stable Diffusion, beside its original."""
    folder = tmp_path_factory.mktemp("benches")
    model = store(SD).model
    plan = reference_plan(model).model_copy(update={"num_inference_steps": 12})
    build(store(SD), plan, folder / "original")
    original = Pipeline(folder / "original", verify=False)
    return Benches(
        store(SD), folder, Conditions(prompts=("a",)), device(), original, lambda what, share: None
    )


class Fixed(Benches):
    """Benches whose graphs take the same time whenever they are measured."""

    def _timed(self, pipelines: dict[int, Pipeline]) -> Bench:
        seconds = GraphSeconds(of={"denoiser": 0.1, "down": 0.03, "deep": 0.05, "up": 0.02, "decoder": 0.1})
        return Bench(pipelines[1], seconds, 1, seconds)


def explorer(benches: Benches, store: Stores, study: Path, crew: Crew = alone) -> Explorer:
    """Of hand-made solvers alone: fits take long."""
    model = store(SD).model
    reference = reference_plan(model).model_copy(update={"num_inference_steps": 12})
    fixed = Fixed(
        benches.store, benches.folder, benches.conditions, benches.device, benches.original, benches.report
    )
    return Explorer(
        space=Space(
            card=model.card,
            reference=reference,
            device=None,
            floor="faithful",
            precisions=("fp32",),
            cuts=(1,),
        ),
        benches=fixed,
        proxy=Proxy(model, reference, benches.original, SUITE),
        crew=crew,
        fitted=lambda plan: fitted_program(
            benches.store, plan.model_copy(update={"learned": False}), benches.conditions
        ),
        study=study,
        report=lambda what, share: None,
    )


def test_an_error_is_the_distance_to_the_originals_end(
    benches: Benches, store: Stores, tmp_path: Path
) -> None:
    """The original's own table ends where it ends; a tenth added everywhere is told as it is."""
    made = explorer(benches, store, tmp_path / "study")
    plan = made.space.reference
    task = made.proxy.task(benches.original, plan, benches.original.program)
    assert error_of(task) == 0.0
    farther = Task(task.bench, task.program, task.request, task.end + np.float32(0.1) * np.abs(task.end))
    exact = 0.1 * np.sqrt(np.mean(task.end**2) / np.mean(farther.end**2))
    assert error_of(farther) == pytest.approx(exact, rel=1e-3)
    assert math.isinf(error_of(Task(task.bench, task.program, task.request, task.end * np.nan)))


def test_an_interrupted_exploration_ends_as_one_that_was_not(
    benches: Benches, store: Stores, tmp_path: Path
) -> None:
    """Killed within a round, it goes on from its file to the same plans, costs and errors."""
    far, runs = time.monotonic() + 600, [0]
    whole = explorer(benches, store, tmp_path / "whole").explore(far, trials=18)

    def killed(tasks: list[Task]) -> list[float]:
        runs[0] += 1
        if runs[0] == 3:
            raise KeyboardInterrupt
        return alone(tasks)

    with pytest.raises(KeyboardInterrupt):
        explorer(benches, store, tmp_path / "cut", killed).explore(far, trials=18)  # type: ignore[arg-type]
    before = runs[0]
    again = explorer(benches, store, tmp_path / "cut", killed).explore(far, trials=18)  # type: ignore[arg-type]
    assert again == whole
    assert runs[0] > before == 3


def test_a_plan_whose_graphs_cannot_be_built_is_left_out(
    benches: Benches, store: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the build can refuse, as tokens that are not there to merge, does not end the exploration."""
    own, refused = Benches.of, list[Plan]()

    def of(benches: Benches, plan: Plan) -> Bench:
        if plan.cut:
            refused.append(plan)
            raise PlanError("no such cut", "Change cut to 0")
        return own(benches, plan)

    monkeypatch.setattr(Benches, "of", of)
    found = explorer(benches, store, tmp_path / "study").explore(time.monotonic() + 600, trials=18)
    assert refused
    assert found
    assert not any(c.plan.cut for c in found)


def test_seconds_are_said_as_an_interrupted_search_said_them(benches: Benches, tmp_path: Path) -> None:
    """The original's are measured once, and read by whoever goes on."""
    path = tmp_path / "notes" / "seconds.json"
    benches.remember(path)
    first = benches.original_seconds
    again = replace(benches)
    again.remember(path)
    assert again.original_seconds == first


def test_each_lever_is_told_alone_and_left_out(benches: Benches, store: Stores, tmp_path: Path) -> None:
    """Alone it changes the original's fields of that name and no others; without it the rest stays."""
    made = explorer(benches, store, tmp_path / "study")
    original = made.space.reference
    plan = original.model_copy(
        update={"scheduler": "UniPCMultistepScheduler", "num_inference_steps": 8, "cut": 1, "fresh_calls": 4}
    )
    found = {lever.name: lever for lever in levers(made, original, plan)}
    assert set(found) == {"solver and calls", "caching"}
    for name, lever in found.items():
        assert lever.alone is not None
        assert lever.without is not None
        for field in set(Plan.model_fields) - {"fresh_calls", "schema_version"}:
            ours, others = (plan, original) if field in LEVERS[name] else (original, plan)
            assert getattr(lever.alone.plan, field) == getattr(ours, field)
            assert getattr(lever.without.plan, field) == getattr(others, field)
    assert found["caching"].alone.plan.fresh_calls == 6  # type: ignore[union-attr]  # half of 12, as of 8
    errors = [side.error for lever in found.values() for side in (lever.alone, lever.without) if side]
    assert all(0 < error < math.inf for error in errors)


def test_a_bench_is_beyond_by_its_own_size(benches: Benches) -> None:
    """Its size on disk is that of its files."""
    bench = benches.of(Plan())
    size = sum(p.stat().st_size for p in bench.pipeline.directory.rglob("*") if p.is_file()) / 2**20
    assert bench.disk_mib == pytest.approx(size)
    found = replace(candidate(0.1, 0.1), plan=Plan())
    assert beyond(Budget(disk_mib=size / 2), found, benches)
    assert not beyond(Budget(disk_mib=size * 2), found, benches)
