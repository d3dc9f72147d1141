"""What is proposed, in which order, and what it is said to cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.build import plan_program, reference_plan
from burnish.core.plan import Plan, Precision
from burnish.core.program import Program, Row
from burnish.load import open_model
from burnish.runtime import Pipeline
from burnish.search.candidates import Candidate, fewer_calls, precisions, worthwhile
from burnish.search.costs import GraphSeconds, graph_seconds
from burnish.search.space import SOLVERS, Space
from tests import tiny_models
from tests.conftest import FAMILIES, SD, Bundles, Stores, device

SECONDS = GraphSeconds(of={"denoiser": 2.0, "decoder": 10.0})


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((1.0, 0.5, 0.5), ("fp32",)),
        ((1.0, 1.0, 1.0), ("fp32",)),
        ((1.0, 2.0, 0.5), ("bf16", "fp32")),
        ((1.0, 0.5, 3.0), ("int8", "fp32")),
        ((1.0, 2.0, 3.0), ("int8", "bf16")),
    ],
)
def test_no_precision_that_the_device_makes_slower(
    rates: tuple[float, float, float], expected: tuple[Precision, ...], store: Stores
) -> None:
    """The two fastest are tried; what is no faster than fp32 never is."""
    assert precisions(store(SD).model.card, device(*rates)) == expected


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        ({"int8": 0.60, "bf16": 0.65, "fp32": 1.0}, ("bf16", "fp32")),
        ({"int8": 0.50, "bf16": 0.65, "fp32": 1.0}, ("int8", "bf16", "fp32")),
        ({"int8": 0.60, "bf16": 0.90, "fp32": 1.0}, ("int8", "fp32")),
        ({"int8": 0.70, "bf16": 0.75}, ("bf16",)),
        ({"int8": 0.70}, ("int8",)),
    ],
)
def test_a_precision_must_be_worth_its_loss(
    seconds: dict[Precision, float], kept: tuple[Precision, ...]
) -> None:
    """Each is fifteen percent cheaper a pass than every more exact one that is kept."""
    measured = {p: GraphSeconds(of={"denoiser": s, "decoder": 1.0}) for p, s in seconds.items()}
    assert worthwhile(measured) == kept


def test_the_control_costs_no_more_than_the_candidate(store: Stores) -> None:
    """The reference with as many calls as the candidate's time pays for: one more would cost more."""
    model = store(SD).model
    reference = reference_plan(model)
    plan = reference.model_copy(update={"num_inference_steps": 20, "guidance_interval": (0.0, 0.5)})
    program = plan_program(model, plan)
    found = Candidate(plan=plan, program=program, latency_s=SECONDS.latency_s(program))
    control = fewer_calls(model, reference, found, SECONDS)
    assert control is not None
    assert control.plan.scheduler == reference.scheduler
    assert control.latency_s <= found.latency_s < control.latency_s + 2 * SECONDS.denoiser
    slow = GraphSeconds(of={"denoiser": 1e6})
    assert fewer_calls(model, reference, found, slow) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_seconds_are_measured_a_graph(name: str, bundle: Bundles) -> None:
    """Every graph that runs has a time; latency adds them up."""
    pipeline = Pipeline(bundle(name))
    found = graph_seconds({"fp32": pipeline})["fp32"]
    assert set(found.of) == set(pipeline.graphs)
    assert all(seconds > 0 for seconds in found.of.values())


def test_a_graph_counts_as_often_as_it_runs() -> None:
    """Texts once each, what a call decides once a call of each, deep pieces in fresh passes."""
    deep = ((1.0,), (1.0, 0.0), (0.0, 0.0, 1.0))
    rows = tuple(Row(start=1.0, outputs=(1.0,) * i) for i in range(4))
    guidance, ones = (2.0, 2.0, 1.0), (1.0,) * 3
    program = Program(
        timesteps=ones, input_scale=ones, guidance=guidance, estimate=((1.0, 1.0),) * 3, rows=rows, deep=deep
    )
    often = {
        "time_proj": 6,
        "text_encoder": 2,
        "context": 2,
        "modulation": 6,
        "down": 5,
        "deep": 3,
        "up": 5,
        "decoder": 1,
        "image_encoder": 0,
    }
    for role, times in often.items():
        assert GraphSeconds(of={role: 7.0}).latency_s(program) == 7.0 * times
    plain = program.model_copy(update={"guidance": ones})
    assert GraphSeconds(of={"text_encoder": 7.0, "up": 1.0}).latency_s(plain) == 7.0 + 3.0


def test_latency_is_calls_times_seconds(store: Stores) -> None:
    """Six calls, half of them guided, at 2 s a pass with 10 s beside: 28 s."""
    plan = Plan(num_inference_steps=6, guidance_scale=3.0, guidance_interval=(0.0, 0.5))
    assert SECONDS.latency_s(plan_program(store(SD).model, plan)) == pytest.approx(28.0)


def test_a_model_whose_scheduler_clips_and_draws_noise_has_every_solver(tmp_path: Path) -> None:
    """A DDPM as it is published: the reference is DDIM on its noise schedule, and nothing that is tried
    draws noise of its own.
    """
    model = open_model(tiny_models.unconditional(tmp_path))
    assert model.scheduler.config.clip_sample
    reference = reference_plan(model)
    assert reference.scheduler == "DDIMScheduler"
    space = Space(card=model.card, reference=reference, device=None, floor="faithful", precisions=("fp32",))
    plans = [plan for plan in space.every() if not plan.learned]
    assert {plan.scheduler for plan in plans} == {*SOLVERS, "DDIMScheduler"}
    assert not any(plan_program(model, plan).stochastic for plan in plans)
