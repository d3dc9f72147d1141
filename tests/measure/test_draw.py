"""Pictures of a suite are kept for the very bundle that drew them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.measure.draw import Drawn, draw, draw_part
from burnish.runtime import Pipeline
from tests.conftest import SD, Bundles

SUITE = Suite(
    name="s", selection=(Prompt(prompt="a"),), confirmation=(Prompt(prompt="b"), Prompt(prompt="c"))
)


def test_a_bundle_that_differs_in_its_manifest_alone_draws_its_own(bundle: Bundles, copied: Bundles) -> None:
    """Another scaling factor is another picture, though every file is the same."""
    ours = draw_part(Pipeline(bundle(SD)), SUITE, "confirmation")
    path = copied(SD) / MANIFEST
    manifest = Bundle.read(path)
    card = manifest.model.model_copy(update={"scaling_factor": 5 * manifest.model.scaling_factor})
    manifest.model_copy(update={"model": card}).save(path)
    other = draw_part(Pipeline(path.parent), SUITE, "confirmation")
    assert not np.array_equal(ours[0], other[0])


def test_a_damaged_picture_is_drawn_again(bundle: Bundles, cache: Path) -> None:
    """What was cut short is not an error but one more picture to draw."""
    ours = draw_part(Pipeline(bundle(SD)), SUITE, "confirmation")
    newest = max((cache / "burnish" / "pictures").iterdir(), key=lambda f: f.stat().st_mtime_ns)
    for path in newest.glob("*.npy"):
        path.write_bytes(path.read_bytes()[:100])
    again = draw_part(Pipeline(bundle(SD)), SUITE, "confirmation")
    assert all(np.array_equal(a, b) for a, b in zip(ours, again, strict=True))


def test_memory_does_not_grow_with_the_suite(tmp_path: Path) -> None:
    """Going through the kept pictures of a hundred prompts holds no more than a few of them at once."""
    drawn = Drawn(range(100), tmp_path, {})
    for k in range(100):
        drawn.put(k, np.full((2, 128, 128, 3), k, dtype=np.uint8))
    one = 2 * 128 * 128 * 3
    tracemalloc.start()
    seen = sum(int(pictures[0, 0, 0, 0]) for pictures in drawn[:])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == sum(range(100))
    assert peak < 8 * one


def test_an_interrupted_run_draws_only_what_is_missing(
    bundle: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three prompts one is on disk: two are drawn, and all three are as in one go."""
    prompts = [Prompt(prompt=text) for text in "abc"]
    pipeline = Pipeline(bundle(SD))
    whole = draw(pipeline, prompts, (0, 1), keep=tmp_path / "kept")
    (tmp_path / "kept" / "00000.npy").unlink()
    (tmp_path / "kept" / "00002.npy").unlink()
    before, asked = np.copy(whole[1]), []
    own = Pipeline.generate
    monkeypatch.setattr(Pipeline, "generate", lambda p, r: (asked.append(r.count), own(p, r))[1])
    again = draw(pipeline, prompts, (0, 1), keep=tmp_path / "kept")
    assert sum(asked) == 4
    assert np.array_equal(again[1], before)


def test_kept_pictures_that_are_gone_are_said_to_be(tmp_path: Path) -> None:
    """Another process may clear them away: SuiteError, not a stack trace."""
    drawn = Drawn(range(2), tmp_path, {})
    drawn.put(0, np.zeros((1, 8, 8, 3), dtype=np.uint8))
    assert drawn.missing() == [1]
    with pytest.raises(SuiteError, match="prompt 1 are gone"):
        drawn[1]


def test_other_threads_and_batches_are_kept_apart(bundle: Bundles, cache: Path) -> None:
    """What was drawn in other batches or on other threads is not taken for the usual."""
    root = cache / "burnish" / "pictures"
    draw_part(Pipeline(bundle(SD)), SUITE, "confirmation")
    before = len(list(root.iterdir()))
    draw_part(Pipeline(bundle(SD), threads=1), SUITE, "confirmation")
    draw_part(Pipeline(bundle(SD)), SUITE, "confirmation", batch=3)
    assert len(list(root.iterdir())) == before + 2
