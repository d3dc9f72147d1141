"""How far a search's choice lies from the best of its whole space.

    python -m benchmarks.search [--bundle out/icons]

Every plan of the space that costs less than the choice is judged by itself: at a glance, on the screen, on
the selection prompts, and where it fails on none of them on the confirmation prompts. No error of latents and
no cost of others keeps one from it, so what the search left out is found here. So many tries at one in twenty
each would be no way to choose: a plan that passes here alone may be lucky.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ratios import publish
from burnish.api.models import store_of
from burnish.api.verdicts import exam
from burnish.build import build, plan_program, reference_plan
from burnish.core.budget import Budget
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.plan import Floor, Plan
from burnish.load import probe_device
from burnish.measure.arena import Eyes, make_arena
from burnish.measure.checks import worst
from burnish.measure.controls import armed
from burnish.measure.draw import Part
from burnish.runtime import Pipeline
from burnish.search import alone, conditions_of
from burnish.search.benches import Benches
from burnish.search.candidates import Candidate, precisions
from burnish.search.choose import GLANCE, SCREEN
from burnish.search.explore import Explorer
from burnish.search.search import explorer_of
from burnish.search.space import SOLVERS

STAGES: tuple[tuple[Part, int | None], ...] = (
    ("selection", GLANCE),
    ("selection", SCREEN),
    ("selection", None),
    ("confirmation", None),
)


def say(what: str, share: float) -> None:
    """Progress on a line of its own."""
    print(f"{what} {share:.0%}", flush=True)


def cheaper(explorer: Explorer, choice: Candidate) -> tuple[list[Candidate], int]:
    """Plans of the space that cost less than the choice, the cheapest first, and how many it has in all."""
    every = list(explorer.space.every())
    settled = [explorer.benches.settled(plan) for plan in every]
    priced = [explorer.priced(p) for p in settled if _least_s(explorer, p) < choice.latency_s]
    found = [c for c in priced if c and c.latency_s < choice.latency_s and c.plan != choice.plan]
    return sorted(found, key=lambda c: c.latency_s), len(every)


def _least_s(explorer: Explorer, plan: Plan) -> float:
    """What a plan costs at the least, before its table is fitted: as many passes, the fewest fresh."""
    hand_made = {"learned": False, "scheduler": plan.scheduler or SOLVERS[0], "cut": 0, "fresh_calls": 0}
    program = plan_program(explorer.proxy.model, plan.model_copy(update=hand_made))
    if plan.cut:
        n = program.calls
        fresh = {0, *range(n - plan.fresh_calls + 1, n)}  # the last have no guidance where some have none
        rows = [[0.0] * i + [1.0] if i in fresh else [1.0] + [0.0] * i for i in range(n)]
        program = program.model_copy(update={"deep": tuple(map(tuple, rows))})
    return explorer.benches.of(plan).latency_s(plan, program)


def main() -> None:
    """Prices the space, judges what is cheaper, and writes the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search")
    parser.add_argument("--bundle", type=Path, default=Path("out/icons"))
    bundle = Bundle.read(parser.parse_args().bundle / MANIFEST)
    assert bundle.verdict is not None, "the bundle has no verdict"
    floor: Floor = bundle.verdict.floor
    store = store_of("icons")
    suite, judge = exam(store.model.card, floor, None, None, choosing=True)
    device, plan = probe_device(), reference_plan(store.model)
    with TemporaryDirectory(dir=store.root) as scratch:
        folder = Path(scratch)
        build(store, plan, folder / "reference", device=device)
        reference = Pipeline(folder / "reference", verify=False)
        benches = Benches(store, folder / "benches", conditions_of(suite), device, reference, say)
        explorer = explorer_of(benches, plan, suite, floor, Budget(), alone, folder)
        # A search leaves out a precision that saves too little when it looks; here none is.
        space = replace(explorer.space, precisions=precisions(store.model.card, device))
        explorer = replace(explorer, space=space)
        choice = explorer.priced(bundle.plan)
        assert choice is not None, "the choice has no table"
        found, count = cheaper(explorer, choice)
        arena = partial(make_arena, suite, eyes=Eyes(judge), floor=floor, reference=reference, report=say)
        grounds = {"selection": arena(part="selection"), "confirmation": armed(arena(part="confirmation"))}
        rows: list[dict[str, object]] = []
        for candidate in (*found, choice):
            bench = benches.of(candidate.plan).pipeline.with_program(candidate.program)
            stage, outcome = "", "PASS"
            for part, most in STAGES:
                answer, _ = grounds[part].judged(bench, most)
                outcome = answer.outcome if part == "confirmation" else worst(answer.checks)
                stage = f"{part} of {answer.prompts} prompts"
                if outcome == "FAIL":
                    break
            rows.append(_row(candidate, choice, stage, outcome))
            say(f"{outcome} ({stage}): {candidate.plan.describe()}", len(rows) / (len(found) + 1))
    publish("search", [*rows, {"": f"{count} plans in the space, {len(found)} cheaper than the choice"}], ())


def _row(candidate: Candidate, choice: Candidate, stage: str, outcome: str) -> dict[str, object]:
    return {
        "": candidate.plan.describe() + (" (the choice)" if candidate is choice else ""),
        "latency_s": candidate.latency_s,
        "of the choice's": candidate.latency_s / choice.latency_s,
        "last judged on": stage,
        "outcome": outcome,
    }


if __name__ == "__main__":
    main()
