"""The whole search on real models: what passes is a bundle, what does not is told with its trials."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.build import GraphStore
from burnish.core.budget import Budget
from burnish.core.errors import NotFiniteError
from burnish.core.evidence import Check, Prompt, Suite
from burnish.measure.arena import Arena
from burnish.measure.judge import Judge, open_judge
from burnish.runtime import Pipeline
from burnish.search import Optimized, optimize
from burnish.search.budget import NothingPassesError
from burnish.search.choose import DEARER
from burnish.search.costs import GraphSeconds
from burnish.search.search import conditions_of
from tests.conftest import DDPM, Stores, asked, device
from tests.measure.conftest import write_clip

SUITE = Suite(
    name="letters",
    selection=tuple(Prompt(prompt=c) for c in "abcd"),
    confirmation=tuple(Prompt(prompt=c) for c in "efghi"),
    seeds=(0, 1),
)
# 0 of 59 prompts is the fewest that shows "below 5 %"; without text, a line is nothing but seeds.
NUMBERS = Suite(
    name="numbers",
    selection=tuple(Prompt(prompt=str(k)) for k in range(1, 9)),
    confirmation=tuple(Prompt(prompt=str(k)) for k in range(101, 162)),
    seeds=(0,),
)


@pytest.fixture(scope="module", autouse=True)
def noise_is_whole() -> Iterator[None]:
    """What random weights draw counts as broken; how a search ends is another matter."""
    with pytest.MonkeyPatch.context() as patch:
        module = import_module("burnish.measure.metrics.broken")
        patch.setattr(module, "REASONS", {"blank": module.REASONS["blank"]})  # which controls plant
        patch.setattr(import_module("burnish.program.fit"), "STUDENTS", 2)  # how near a fit comes, too
        yield


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """A tiny random CLIP."""
    return open_judge(write_clip(tmp_path_factory.mktemp("judge") / "clip"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the search that ends well leaves its bundle."""
    return tmp_path_factory.mktemp("search") / "bundle"


@pytest.fixture(scope="module")
def found(
    store: Stores, judge: Judge, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Optimized:
    """A search that ends well: the unconditional model, the same pictures wanted, fp32 only."""
    return optimize(
        store(DDPM),
        directory,
        scratch=tmp_path_factory.mktemp("scratch"),
        suite=NUMBERS,
        judge=judge,
        device=device(),
        floor="faithful",
        time_limit_s=3600,
        trials=14,
    )


def test_the_winner_is_cheaper_and_passed(found: Optimized) -> None:
    """Its verdict is PASS on every confirmation prompt, with sound controls, and it costs less."""
    assert found.verdict.outcome == "PASS"
    assert (found.verdict.floor, found.verdict.prompts) == ("faithful", 61)
    assert [c.outcome for c in found.verdict.controls] == ["PASS", "FAIL", "FAIL"]
    assert found.winner.program.calls < Pipeline(found.reference).program.calls
    assert found.winner.program.passes < Pipeline(found.reference).program.passes


def test_the_bundle_is_the_winner(found: Optimized, directory: Path) -> None:
    """What lies in the directory draws, byte for byte, the pictures that were judged."""
    pipeline = Pipeline(directory)
    assert pipeline.bundle.plan == found.winner.plan
    assert pipeline.program == found.winner.program
    drawn = pipeline.generate(asked(DDPM, 101 * 1000))
    assert np.array_equal(drawn, found.pictures[1][0])
    assert not np.array_equal(found.pictures[0][0], found.pictures[1][0])
    # Of those that were confirmed it alone was kept, beside one that may have failed after it.
    assert len(list((found.reference.parent / "confirmed").iterdir())) <= 2


def test_trials_tell_what_was_tried(found: Optimized) -> None:
    """Chosen from the cheapest up, confirmed from the dearest down: the winner is the last that passed."""
    stages = [t.stage for t in found.trials]
    tried = found.trials[: stages.index("confirmation")]
    confirmed = found.trials[len(tried) :]
    assert {t.stage for t in tried} <= {"glance", "screen", "selection"}
    assert {t.stage for t in confirmed} == {"confirmation"}
    costs = [t.candidate.latency_s for t in tried]
    assert costs == sorted(costs)
    for trial in tried:
        if trial.stage == "screen":  # which what fails at a glance does not see
            glance = next(t for t in tried if t.candidate == trial.candidate)
            assert (glance.stage, glance.verdict.prompts) == ("glance", 4)
            assert glance.outcome != "FAIL"
        if trial.stage == "selection":  # which a mean on the wrong side of its bound keeps a plan from
            screen = next(t for t in tried if t.candidate == trial.candidate and t.stage == "screen")
            assert not any(wrong_side(check) for check in screen.verdict.checks)
    # Of plans that cost the same, one sees the whole selection: the best on the screen.
    for trial in tried:
        if trial.stage == "selection":
            equals = [t for t in tried if t.candidate.latency_s == trial.candidate.latency_s]
            screened = {
                t.candidate.plan: t.verdict.checks[0].interval.mean for t in equals if t.stage == "screen"
            }
            assert [t.candidate for t in equals if t.stage == "selection"] == [trial.candidate]
            assert screened[trial.candidate.plan] == max(screened.values())
    for dearer, cheaper in pairwise(confirmed):
        assert dearer.candidate.latency_s >= DEARER * cheaper.candidate.latency_s
        assert dearer.verdict.outcome == "PASS"
    assert found.winner == [t for t in confirmed if t.verdict.outcome == "PASS"][-1].candidate


def wrong_side(check: Check) -> bool:
    """Whether a check's mean is worse than its bound."""
    better = check.interval.mean - check.bound
    return (better if check.direction == "higher" else -better) < 0


def test_the_control_stands_beside(found: Optimized) -> None:
    """The reference with fewer calls at the same cost was drawn and judged on the same prompts."""
    assert found.control is not None
    assert found.control.candidate.plan.scheduler == ""
    assert found.control.verdict.prompts == 61


def again(store: GraphStore, judge: Judge, tmp_path: Path, **changes: Any) -> Optimized:
    """The search of `found` once more."""
    options = {"suite": NUMBERS, "judge": judge, "device": device(), "floor": "faithful"}
    options |= {"trials": 14, "time_limit_s": 3600}
    return optimize(store, tmp_path / "bundle", scratch=tmp_path / "scratch", **(options | changes))


def test_a_second_search_draws_the_references_pictures_no_more(
    found: Optimized, store: Stores, judge: Judge, tmp_path: Path, cache: Path
) -> None:
    """What an interrupted search left is used: no picture of the reference is written again."""
    kept = cache / "burnish" / "pictures"
    before = {p: p.stat().st_mtime_ns for p in kept.rglob("*.npy")}
    # Other tests keep pictures of the same model in the same place, under keys of their own.
    assert len(before) >= len(NUMBERS.selection) + len(NUMBERS.confirmation)
    with pytest.raises(NothingPassesError):
        again(store(DDPM), judge, tmp_path, time_limit_s=0)
    assert {p: p.stat().st_mtime_ns for p in kept.rglob("*.npy")} == before


def test_an_interrupted_search_goes_on_where_it_stopped(
    store: Stores, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plans that were judged before the interrupt are not drawn again."""
    suite = NUMBERS.model_copy(update={"name": "a search of its own"})
    own, tried, most = Arena.judged, list[Any](), [3]

    def judged(arena: Arena, pipeline: Pipeline, count: int | None = None, keep: Path | None = None) -> Any:
        if len(tried) == most[0]:
            raise KeyboardInterrupt
        tried.append((arena.part, pipeline.program.source, count))
        return own(arena, pipeline, count, keep)

    monkeypatch.setattr(Arena, "judged", judged)
    # Plans cost what their tables say, so that both searches try them in one order.
    costs = GraphSeconds(of={"denoiser": 1.0})
    module = sys.modules["burnish.search.benches"]
    monkeypatch.setattr(module, "graph_seconds", lambda benches: dict.fromkeys(benches, costs))
    with pytest.raises(KeyboardInterrupt):
        again(store(DDPM), judge, tmp_path, suite=suite)
    first = list(tried)
    tried.clear()
    most[0] = 1000
    found = again(store(DDPM), judge, tmp_path, suite=suite)
    assert found.verdict.outcome == "PASS"
    assert len(first) == 3
    assert not set(first) & set(tried)
    assert len(list(found.notes.iterdir())) >= 3


def test_a_plan_that_draws_no_numbers_has_failed(
    store: Stores, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that are not finite on the confirmation prompts cost a plan its place, not the search."""
    own, drawn = Pipeline.generate, list[Path]()

    def generate(pipeline: Pipeline, request: Any) -> Any:
        if pipeline.directory.parent.name == "confirmed" and pipeline.directory not in drawn:
            drawn.append(pipeline.directory)
            if len(drawn) == 2:
                raise NotFiniteError("infinities", "")
        return own(pipeline, request)

    monkeypatch.setattr(Pipeline, "generate", generate)
    suite = NUMBERS.model_copy(update={"name": "a search of its own", "seeds": (7,)})
    found = again(store(DDPM), judge, tmp_path, suite=suite)
    first, last = (t for t in found.trials if t.stage == "confirmation")
    assert [check.metric for check in last.verdict.checks] == ["finite pictures"]
    assert (first.verdict.outcome, last.verdict.outcome) == ("PASS", "FAIL")
    assert found.winner == first.candidate


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"budget": Budget(latency_s=1e-9)},
            "is within the budget; of the others .* raise --max-latency",
        ),
        (
            {"budget": Budget(disk_mib=1e-3)},
            "is within the budget; of the others .* raise --max-disk",
        ),
        ({"time_limit_s": 0.0}, "the nearest within it is .*; the time was up before any was judged"),
    ],
)
def test_nothing_passes(
    limits: dict[str, Any], words: str, store: Stores, judge: Judge, tmp_path: Path
) -> None:
    """Without a budget or without time the error says which, and names the nearest plans."""
    with pytest.raises(NothingPassesError, match=words):
        again(store(DDPM), judge, tmp_path, **({"trials": 12} | limits))
    assert not (tmp_path / "bundle").exists()


def test_confirmation_prompts_stay_unseen() -> None:
    """int8 is calibrated on selection prompts alone."""
    assert conditions_of(SUITE).prompts == tuple("abcd")
