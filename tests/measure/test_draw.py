"""Pictures of a suite are kept for the very bundle that drew them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.evidence import Prompt, Suite
from burnish.measure.draw import draw_part
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
    manifest.model_copy(update={"scaling_factor": 5 * manifest.scaling_factor}).save(path)
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
