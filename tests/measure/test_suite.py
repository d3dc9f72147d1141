"""Splitting prompts into those that choose and those that judge."""

from __future__ import annotations

import pytest

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt
from burnish.measure.suite import split

PROMPTS = [Prompt(prompt=f"a {word}") for word in ("cat", "dog", "apple", "tree", "house", "star", "fish")]


def test_a_split_depends_on_seed_and_prompts_alone() -> None:
    """The order given and repetitions do not matter; the seed does; every prompt stands on one side."""
    first = split("icons", PROMPTS, 3, seed=1)
    assert first == split("icons", [*reversed(PROMPTS), PROMPTS[0]], 3, seed=1)
    assert any(split("icons", PROMPTS, 3, seed=k).selection != first.selection for k in range(2, 6))
    assert len(first.selection) == 3
    assert {p.prompt for p in first.selection + first.confirmation} == {p.prompt for p in PROMPTS}


def test_one_prompt_more_moves_at_most_one_across() -> None:
    """What chose before chooses still, but for one prompt at most."""
    before = set(split("icons", PROMPTS, 3, seed=1).selection)
    after = set(split("icons", [*PROMPTS, Prompt(prompt="a boat")], 3, seed=1).selection)
    assert len(before - after) <= 1


def test_class_labels_are_prompts_of_their_own() -> None:
    """Prompts without text are told apart by their label."""
    suite = split("digits", [Prompt(class_label=k) for k in range(10)], 4, seed=0)
    assert len(suite.selection) + len(suite.confirmation) == 10


@pytest.mark.parametrize("selection", [0, 7, 8])
def test_an_empty_side_is_refused(selection: int) -> None:
    """Both sides need a prompt."""
    with pytest.raises(SuiteError):
        split("icons", PROMPTS, selection, seed=0)
