"""Suites: which prompts choose a plan and which judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite


def split(
    name: str, prompts: Sequence[Prompt], selection: int, seed: int, seeds: tuple[int, ...] = (0, 1, 2, 3)
) -> Suite:
    """A Suite with `selection` prompts to choose by and the others to confirm on; prompts twice count once.

    The order is by a hash of `seed` and the prompt, so it depends neither on the order given nor on the
    platform, and a prompt added later moves at most one other across. Raises SuiteError where either side
    would be empty.
    """
    kept = {(p.prompt, p.class_label): p for p in prompts}
    ordered = sorted(kept.values(), key=lambda p: _place(p, seed))
    if not 0 < selection < len(ordered):
        raise SuiteError(f"{selection} of {len(ordered)} prompts cannot be set aside for selection")
    return Suite(
        name=name,
        selection=tuple(ordered[:selection]),
        confirmation=tuple(ordered[selection:]),
        seeds=seeds,
    )


def _place(prompt: Prompt, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{prompt.class_label}\0{prompt.prompt}".encode()).hexdigest()
