"""Fragility is found where it was planted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.audit.robustness import fragility, losses, variants_of
from burnish.core.evidence import Prompt


def form(text: str, base: str, kind: str) -> Prompt:
    """A perturbed prompt."""
    return Prompt(prompt=text, variant_of=base, tags=(f"perturbed:{kind}",))


def test_a_loss_is_the_basess_alignment_less_its_forms() -> None:
    """Several forms of one kind are averaged before they are taken from the base's own alignment."""
    forms = [
        form("a1", "a", "typo"),
        form("a2", "a", "typo"),
        form("b1", "b", "typo"),
        form("a3", "a", "case"),
    ]
    found = variants_of([Prompt(prompt="a"), *forms, Prompt(prompt="z", tags=("perturbed:typo",))])
    assert list(found) == ["a", "b"]
    lost = losses({"a": 30.0, "b": 20.0, "a1": 29.0, "a2": 25.0, "a3": 30.0, "b1": 21.0}, found)
    assert lost["typo"] == pytest.approx([3.0, -1.0])
    assert lost["case"] == pytest.approx([0.0])


def test_planted_fragility_is_found_in_its_kind_alone() -> None:
    """The optimized model loses 2 points more under typos; under case it loses what the original does."""
    rng = np.random.default_rng(0)
    original = {kind: rng.normal(5, 4, 60) for kind in ("typo", "case", "alone")}
    original["alone"] = original["alone"][:1]
    optimized = {kind: values + rng.normal(0, 1, len(values)) for kind, values in original.items()}
    optimized["typo"] = optimized["typo"] + 2.0
    found = {c.name: c for c in fragility(original, optimized)}
    assert set(found) == {"loss under typo", "loss under case"}
    assert found["loss under typo"].change.low < 2.0 < found["loss under typo"].change.high
    assert found["loss under typo"].changed
    assert not found["loss under case"].changed
