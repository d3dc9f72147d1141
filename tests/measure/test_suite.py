"""The general suites: enough distinct lines for a verdict, whatever the model is conditioned on."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.plan import Floor
from burnish.load import inspect
from burnish.measure.draw import request_for
from burnish.measure.gate import require_decidable
from burnish.measure.suite import general_suite
from tests.conftest import FAMILIES


@pytest.mark.parametrize("classes", [3, 10, 1000])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_general_suite_can_decide(name: str, classes: int, unclipped_models: dict[str, Path]) -> None:
    """Its confirmation is large enough for a PASS, and no two of its pictures are asked for alike."""
    card = inspect(unclipped_models[name]).model_copy(update={"classes": classes})
    suite = general_suite(card)
    require_decidable(suite, "equivalent", choosing=True)
    lines = [*suite.selection, *suite.confirmation]
    asked = request_for(card, lines, suite.seeds)
    conditions = asked.prompts or asked.class_labels or ("",) * asked.count
    assert len({*zip(asked.seeds, conditions, strict=True)}) == 2 * len(lines)


def numbered(selection: int, confirmation: int, *seeds: int) -> Suite:
    """A suite of so many prompts."""
    prompts = tuple(Prompt(prompt=str(k)) for k in range(selection + confirmation))
    return Suite(name="n", selection=prompts[:selection], confirmation=prompts[selection:], seeds=seeds)


@pytest.mark.parametrize(
    ("suite", "floor", "words"),
    [
        (numbered(2, 58, 0, 1), "faithful", "58 prompts.*Use 59 or more"),
        (numbered(1, 59, 0, 1), "faithful", "1 selection prompts choose no plan"),
        (numbered(2, 59, 0), "equivalent", "Use two seeds or more"),
        (numbered(2, 1, 0), "faithful", "1 confirmation prompts have no interval"),
    ],
)
def test_a_suite_that_could_never_pass_is_refused(suite: Suite, floor: Floor, words: str) -> None:
    """58 prompts cannot show that fewer than 5 % break; 59 can, with two to choose on and two seeds."""
    with pytest.raises(SuiteError, match=words):
        require_decidable(suite, floor, choosing=True)
    require_decidable(numbered(2, 59, 0, 1), floor, choosing=True)


@pytest.mark.parametrize(
    ("selection", "confirmation", "seeds"),
    [("a", "bcb", (0, 1)), ("a", "ab", (0, 1)), ("aa", "b", (0, 1)), ("a", "b", (1, 1))],
)
def test_nothing_counts_twice(selection: str, confirmation: str, seeds: tuple[int, ...]) -> None:
    """A prompt or a seed that comes again would count as independent evidence, and is refused."""
    with pytest.raises(ValueError, match="twice"):
        Suite(
            name="twice",
            selection=tuple(Prompt(prompt=c) for c in selection),
            confirmation=tuple(Prompt(prompt=c) for c in confirmation),
            seeds=seeds,
        )


def test_text_for_a_model_that_reads_none_is_refused(unclipped_models: dict[str, Path]) -> None:
    """An unconditional model takes numbers for its lines; words are an error that names them."""
    card = inspect(unclipped_models["unconditional"])
    with pytest.raises(SuiteError, match="reads no text such as 'a cat'"):
        request_for(card, [Prompt(prompt="a cat")], (0,))


def test_a_suite_without_a_seed_is_refused() -> None:
    """Without a seed there is no picture."""
    with pytest.raises(ValueError, match="seeds"):
        numbered(2, 59)
