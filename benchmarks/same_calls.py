"""A bundle of the icons model with all fifty calls of the original, for `benchmarks.stock` to time beside it.

    python -m benchmarks.same_calls [-o out/icons-same-calls]

What makes as many calls cheap is bf16, passes side by side, and deep features computed in a fifth of the
calls. Judged for the floor `faithful` on the confirmation prompts, with the controls of `burnish optimize`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish.api.models import store_of
from burnish.api.verdicts import exam, signed
from burnish.build import build, reference_plan
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.files import directory_aside
from burnish.load import probe_device
from burnish.measure.arena import Eyes, make_arena
from burnish.measure.controls import armed
from burnish.runtime import Pipeline
from burnish.search import conditions_of

CHANGES = {"precision": "bf16", "streams": 2, "cut": 2, "fresh_calls": 10}


def main() -> None:
    """Builds both, judges one against the other and writes the verdict into the manifest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_calls")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/icons-same-calls"))
    output, store, device = parser.parse_args().output, store_of("icons"), probe_device()
    suite, judge = exam(store.model.card, "faithful", None, None, choosing=False)
    plan, conditions = reference_plan(store.model), conditions_of(suite)
    with directory_aside(output) as aside, TemporaryDirectory(dir=store.root) as scratch:
        build(store, plan, Path(scratch) / "reference", device=device)
        build(store, plan.model_copy(update=CHANGES), aside, conditions=conditions, device=device)
        reference, found = Pipeline(Path(scratch) / "reference"), Pipeline(aside)
        arena = make_arena(
            suite, "confirmation", Eyes(judge), "faithful", reference, lambda what, share: None
        )
        answer, _ = armed(arena).judged(found)
        verdict = signed(answer, found.bundle.identity, reference.bundle.identity, suite, arena.eyes)
        Bundle.read(aside / MANIFEST).model_copy(update={"verdict": verdict}).save(aside / MANIFEST)
    print(verdict.outcome, [(c.metric, c.interval, c.outcome) for c in verdict.checks])


if __name__ == "__main__":
    main()
