"""Fitted tables of opened bundles: their trajectories, what is kept of them, what is refused."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.build import learned
from burnish.build.calibration import Conditions
from burnish.core.model import ModelCard
from burnish.core.plan import Plan
from burnish.core.program import Program
from burnish.program import guided, make_scheduler
from burnish.program.trajectories import combine, follow, relative
from burnish.runtime import Pipeline, Request
from burnish.runtime.sampler import sample
from tests.conftest import DDPM, DIT, FAMILIES, SD, Bundles, Stores

CONDITIONS = Conditions(prompts=("red apple", "blue hat", "a red hat"))
PLAN = Plan(num_inference_steps=3, guidance_scale=3.0, learned=True)
COUNT = 6
TEACHER_CALLS = 8


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher of few calls, and small batches, so that there are several."""
    monkeypatch.setattr(ModelCard, "reference_steps", TEACHER_CALLS)
    monkeypatch.setattr("burnish.program.fit.SEARCHED", 4)
    monkeypatch.setattr(learned, "BATCH", 4)


class Counted:
    """Counts the pictures that an open bundle's denoiser is given."""

    def __init__(self, directory: Path) -> None:
        self.images: Counter[str] = Counter()
        self.pipeline = Pipeline(directory, observe=self._see)

    def _see(self, role: str, inputs: dict[str, Any]) -> None:
        if "sample" in inputs:
            self.images["denoiser"] += len(inputs["sample"])


def fitted(pipeline: Pipeline, store: Any, folder: Path, **changes: Any) -> Any:
    """A fit of PLAN with changes."""
    plan = PLAN.model_copy(update=changes)
    return learned.fit(pipeline, store.model.scheduler, plan, CONDITIONS, folder, count=COUNT)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gets_a_table_no_worse_than_its_rivals(
    name: str, bundle: Bundles, store: Stores, tmp_path: Path
) -> None:
    """Text, classes or neither: as many calls as asked, guided as planned, never behind a hand-made one."""
    found = fitted(Pipeline(bundle(name)), store(name), tmp_path, guidance_interval=(0.0, 1.0))
    assert found.program.calls == PLAN.num_inference_steps
    assert found.program.guidance == ((1.0,) * 3 if name == DDPM else (3.0,) * 3)
    assert len(found.seed_errors) == len(learned.RIVALS)
    assert found.error <= min(found.seed_errors)


def test_a_fitted_table_makes_pictures(bundle: Bundles, store: Stores, tmp_path: Path) -> None:
    """The bundle runs the table that was fitted, with half of its calls unguided, as any other."""
    pipeline = Pipeline(bundle(SD))
    program = fitted(pipeline, store(SD), tmp_path, guidance_interval=(0.0, 0.5)).program
    assert program.guidance == (3.0, 3.0, 1.0)
    path = tmp_path / "program.json"
    program.save(path)
    opened = pipeline.with_program(Program.read(path))
    assert opened.generate(Request(seeds=(1, 2), prompts=("red apple",))).shape == (2, 32, 32, 3)


def test_a_second_fit_uses_the_trajectories_again(bundle: Bundles, store: Stores, tmp_path: Path) -> None:
    """Another number of calls runs no teacher: what is kept is as many outputs as images and calls."""
    first = Counted(bundle(SD))
    once = fitted(first.pipeline, store(SD), tmp_path)
    kept = sorted(tmp_path.rglob("*.npz"))
    assert len(kept) == 2
    teacher = 2 * COUNT * TEACHER_CALLS  # two passes
    assert first.images["denoiser"] == teacher + 2 * once.images
    second = Counted(bundle(SD))
    again = fitted(second.pipeline, store(SD), tmp_path, num_inference_steps=4)
    assert second.images["denoiser"] == 2 * again.images
    assert sorted(tmp_path.rglob("*.npz")) == kept


@pytest.mark.parametrize("damage", [b"", b"PK\3\4 no archive", "cut", "shape", "nan"])
def test_a_damaged_file_is_run_again(damage: Any, bundle: Bundles, store: Stores, tmp_path: Path) -> None:
    """An interrupted fit goes on from whole batches alone, and ends at the same table."""
    pipeline = Pipeline(bundle(SD))
    whole = fitted(pipeline, store(SD), tmp_path)
    path = min(tmp_path.rglob("*.npz"))
    before = path.read_bytes()
    with np.load(path) as file:
        outputs = file["outputs"]
    if damage == "cut":
        path.write_bytes(before[: len(before) // 2])
    elif damage == "shape":
        np.savez(path, outputs=outputs[1:])
    elif damage == "nan":
        np.savez(path, outputs=outputs * np.float32(np.nan))
    else:
        path.write_bytes(damage)
    assert fitted(pipeline, store(SD), tmp_path) == whole
    assert path.read_bytes() == before


def test_a_table_is_fitted_once(store: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the precision, a plan's table is the one that was kept; another guidance has another."""
    own = store(SD)
    plan = PLAN.model_copy(update={"guidance_scale": 2.5})
    once = learned.table(own, plan, CONDITIONS, count=COUNT)
    part = plan.model_copy(update={"guidance_interval": (0.0, 0.5)})
    assert learned.table(own, part, CONDITIONS, count=COUNT) != once
    monkeypatch.setattr(learned, "fit", None)
    int8 = plan.model_copy(update={"precision": "int8"})
    assert learned.table(own, int8, CONDITIONS, count=COUNT) == once


def test_other_prompts_and_guidance_have_trajectories_of_their_own(
    bundle: Bundles, store: Stores, tmp_path: Path
) -> None:
    """What was asked names the files: neither is taken for the other's."""
    pipeline = Pipeline(bundle(SD))
    fitted(pipeline, store(SD), tmp_path)
    fitted(pipeline, store(SD), tmp_path, guidance_scale=2.0)
    other = Conditions(prompts=("a blue apple",))
    learned.fit(pipeline, store(SD).model.scheduler, PLAN, other, tmp_path, count=COUNT)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_bound_denoiser_is_the_pipelines_own(bundle: Bundles, store: Stores) -> None:
    """Following a table batch by batch ends at the latents that the pipeline's own loop ends at."""
    pipeline = Pipeline(bundle(SD))
    program = guided(learned.teacher_table(store(SD).model.scheduler, store(SD).model.card), 3.0)
    asked = learned.requests(pipeline.bundle.model, CONDITIONS, COUNT)
    denoise = learned.bound(pipeline, asked, program.timesteps)
    opened = pipeline.with_program(program)
    starts, ends = [], []
    for request in asked:
        start, own = opened.denoiser(request)
        *_, (_, end, _) = sample(program, start, partial(_called, own), partial(np.zeros_like, start))
        starts.append(start)
        ends.append(end)
    start = np.concatenate(starts)
    outputs = follow(program, start, denoise, range(COUNT))
    assert relative(combine(program.rows[-1], start, outputs), np.concatenate(ends)) < 1e-5


def _called(own: Any, i: int, state: Any, scaled: Any) -> Any:
    return own(i, scaled)


@pytest.mark.parametrize("name", FAMILIES)
def test_fits_are_asked_what_the_model_takes(name: str, bundle: Bundles) -> None:
    """Prompts in turn, classes from first to last, or seeds alone; no seed twice."""
    card = Pipeline(bundle(name)).bundle.model
    asked = learned.requests(card, CONDITIONS, COUNT)
    assert [r.count for r in asked] == [4, 2]
    assert len({seed for r in asked for seed in r.seeds}) == COUNT
    if name == SD:
        assert [p for r in asked for p in r.prompts] == list(CONDITIONS.prompts) * 2
    if name == DIT:
        assert (asked[0].class_labels[0], asked[-1].class_labels[-1]) == (0, card.classes - 1)


@pytest.mark.parametrize(
    ("scheduler", "teacher"),
    [("DDIM", "DDIM"), ("EulerDiscrete", "EulerDiscrete"), ("PNDM", "DDIM"), ("DDPM", "DDIM")],
)
def test_the_teacher_is_the_models_own_scheduler_where_it_can_be(
    scheduler: str, teacher: str, store: Stores
) -> None:
    """One that draws noise, or calls twice at a timestep, is replaced by DDIM on the same noise schedule."""
    own = make_scheduler(f"{scheduler}Scheduler", {"clip_sample": False})
    assert learned.teacher_table(own, store(SD).model.card).source.startswith(f"{teacher}Scheduler")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"num_inference_steps": 50}, "3 to 12 calls"),
        ({"num_inference_steps": 2}, "3 to 12 calls"),
        ({"scheduler": "DDIMScheduler"}, "no scheduler"),
        ({"timestep_spacing": "trailing"}, "no scheduler"),
        ({"learned": False, "num_inference_steps": 50}, ""),
    ],
)
def test_plans_that_no_fit_serves_are_refused(changes: Any, reason: str, bundle: Bundles) -> None:
    """A fit is for few calls, and has a scheduler's name nowhere; plans without one are let through."""
    card: ModelCard = Pipeline(bundle(SD)).bundle.model
    said = learned.TECHNIQUE.refusal(PLAN.model_copy(update=changes), card, None)
    assert reason in said
    assert bool(said) == bool(reason)
