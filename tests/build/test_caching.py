"""A bundle whose denoiser is cut and keeps deep features, against one that computes all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from burnish.build import build
from burnish.build.calibration import Conditions, record
from burnish.core.errors import PlanError
from burnish.core.plan import Plan
from burnish.runtime import Pipeline
from tests.conftest import DDPM, DIT, SD, Bundles, Stores, asked, psnr

PLAN = Plan(num_inference_steps=8, guidance_scale=3.0, guidance_interval=(0.0, 0.75))
SEEDS = (3, 4, 5)
WORDS = Conditions(prompts=("a red apple", "a cat"))


def made(store: Stores, name: str, folder: Path, **changes: object) -> Pipeline:
    """A bundle of PLAN with these changes, opened."""
    build(store(name), PLAN.model_copy(update=changes), folder, conditions=WORDS)
    return Pipeline(folder)


@pytest.mark.parametrize("name", [SD, DDPM])
def test_a_cut_changes_nothing(name: str, store: Stores, tmp_path: Path) -> None:
    """In pieces, with every call fresh, a bundle draws the very pictures that it draws whole."""
    guided = {} if name == SD else {"guidance_interval": (0.0, 1.0)}
    whole = made(store, name, tmp_path / "whole", **guided).generate(asked(name, *SEEDS))
    for depth in (1, 2):
        pieces = made(store, name, tmp_path / str(depth), cut=depth, **guided)
        assert {"down", "deep", "up"} <= set(pieces.graphs)
        assert np.array_equal(pieces.generate(asked(name, *SEEDS)), whole)


def test_stale_calls_leave_the_deep_piece_out(store: Stores, tmp_path: Path) -> None:
    """Of eight calls, six of them guided, three compute deep features; the picture stays near."""
    whole = made(store, SD, tmp_path / "whole")
    kept = made(store, SD, tmp_path / "kept", cut=1, fresh_calls=3)
    ran: list[str] = []
    counted = kept.observed(lambda role, wires: ran.append(role))
    found = counted.generate(asked(SD, *SEEDS))
    assert ran.count("deep") == kept.program.fresh_passes < ran.count("up") == kept.program.passes == 14
    assert sum(kept.program.fresh(i) for i in range(8)) == 3
    exact = whole.generate(asked(SD, *SEEDS))
    assert not np.array_equal(found, exact)
    blind = kept.program.model_copy(update={"deep": ((1.0,), *((0.0,) * (i + 1) for i in range(1, 8)))})
    assert psnr(found, exact) > psnr(kept.with_program(blind).generate(asked(SD, *SEEDS)), exact) + 3


def test_int8_pieces_are_calibrated_on_what_the_final_program_feeds_them(
    store: Stores, tmp_path: Path
) -> None:
    """`up` sees stale deep features in calibration as it will in use, and `deep` only fresh calls."""
    plan = PLAN.model_copy(update={"cut": 1, "fresh_calls": 3, "precision": "int8"})
    pipeline = made(
        store, SD, tmp_path / "int8", **plan.model_dump(include={"cut", "fresh_calls", "precision"})
    )
    assert {g.precision for g in pipeline.bundle.graphs if g.role in ("down", "deep", "up")} == {"int8"}
    seen = record(store(SD), plan, pipeline.program, WORDS)
    assert set(seen) == {"down", "deep", "up", "decoder"}
    (wire,) = pipeline.graphs["deep"].graph.outputs
    every = record(store(SD), plan, pipeline.program.model_copy(update={"deep": ()}), WORDS)
    assert not np.array_equal(seen["up"][-1][wire], every["up"][-1][wire])


def test_caching_that_does_not_apply_is_refused(store: Stores, tmp_path: Path) -> None:
    """Without a cut, deeper than there are, and where there is none: named, and nothing written."""
    cases = (
        (SD, {"fresh_calls": 2}, "caching does not apply: deep features are kept where"),
        (SD, {"cut": 99}, "no cut at depth 99"),
        (DIT, {"cut": 1}, "no cut at depth 1"),
    )
    for name, changes, words in cases:
        with pytest.raises(PlanError, match=words):
            made(store, name, tmp_path / "none", **changes)
        assert not (tmp_path / "none").exists()


def test_a_table_that_was_fitted_is_kept(store: Stores, bundle: Bundles, tmp_path: Path) -> None:
    """The second build of a plan reads the table of the first."""
    first = made(store, SD, tmp_path / "first", cut=1, fresh_calls=4)
    folder = store(SD).root / "deep"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = made(store, SD, tmp_path / "again", cut=1, fresh_calls=4)
    assert again.program == first.program
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
