"""Bundles that the gate passed, or did not, to be released under a name of each test's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.evidence import Verdict
from tests.conftest import SD, Bundles

Released = Callable[..., Path]


@pytest.fixture
def judged(bundle: Bundles, tmp_path: Path) -> Released:
    """A copy of a tiny bundle, with a verdict of its own where one is given."""

    def of(outcome: Literal["PASS", "FAIL", "INCONCLUSIVE", ""] = "PASS", steps: int = 2) -> Path:
        directory = tmp_path / f"bundle-{outcome}-{steps}"
        shutil.copytree(bundle(SD, num_inference_steps=steps), directory)
        found = Bundle.read(directory / MANIFEST)
        verdict = (
            Verdict(floor="equivalent", outcome=outcome, checks=(), candidate=found.identity)
            if outcome
            else None
        )
        found.model_copy(update={"verdict": verdict}).save(directory / MANIFEST)
        return directory

    return of
