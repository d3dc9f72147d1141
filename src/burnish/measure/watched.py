"""What is watched by name: losses that a mean of alignment hides. They decide nothing; FAIL is an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np

from burnish.core.evidence import Check
from burnish.measure.checks import check_of, mean_check
from burnish.measure.metrics.diversity import diversity
from burnish.measure.pictures import Values
from burnish.measure.proportions import prompts_to_decide_proportion, proportions_interval
from burnish.measure.rules import Rule
from burnish.measure.scores import Scores
from burnish.measure.units import Units, by_unit

COLOUR = Rule(
    metric="colour",
    label="drift of colour",
    unit="ΔE",
    bound=2.3,
    direction="lower",
    why="how far the mean colour of all pictures moved; 2.3 is just seen where colours lie side by side",
)
CONTRAST = Rule(
    metric="contrast",
    label="drift of contrast",
    unit="",
    bound=log(1.1),
    direction="lower",
    why="log of the contrast over the reference's, flatter or harsher; a tenth is 0.095",
)
DETAIL = Rule(
    metric="detail",
    label="small details",
    unit="",
    bound=log(0.8),
    direction="higher",
    why="log of the energy of fine detail over the reference's; a fifth less is -0.22",
)
DIVERSITY = Rule(
    metric="diversity",
    label="diversity within a prompt",
    unit="share",
    bound=-0.1,
    direction="higher",
    why="change of how much a new seed changes; a model that collapses draws one picture for every seed",
)
NAMED = Rule(
    metric="named",
    label="pictures named right",
    unit="share",
    bound=-0.1,
    direction="higher",
    why="change in the share of prompts whose first picture the judge names right among all prompts",
)


def watched(candidate: Scores, reference: Scores, units: Units) -> tuple[Check, ...]:
    """Each such loss with its interval against the line from which on it is an alarm."""
    return tuple(_watched(candidate, reference, units))


def _watched(candidate: Scores, reference: Scores, units: Units) -> Iterator[Check]:
    if candidate.colour is not None and reference.colour is not None:
        yield mean_check(COLOUR, _along(candidate.colour - reference.colour, units))
    if candidate.contrast is not None:
        yield mean_check(CONTRAST, _along(candidate.contrast[..., None], units))
    if candidate.detail is not None:
        yield mean_check(DETAIL, by_unit(candidate.detail.mean(axis=1), units))
    if candidate.features is not None and reference.features is not None and candidate.shape[1] > 1:
        ours, theirs = diversity(candidate.features), diversity(reference.features)
        if theirs.mean() > 0:
            yield mean_check(DIVERSITY, by_unit((ours - theirs) / theirs.mean(), units))
    if candidate.named is not None and reference.named is not None:
        yield _named(candidate, reference, units)


def _along(change: Values, units: Units) -> Values:
    """(units,) of vectors (prompts, seeds, d): how far each went the way that their mean went."""
    flat = change.mean(axis=1)
    each = np.stack([by_unit(flat[:, k], units) for k in range(flat.shape[1])], axis=1)
    mean = each.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(each @ mean / length) if length > 0 else np.zeros(len(each))


def _named(candidate: Scores, reference: Scores, units: Units) -> Check:
    """A unit counts by its first prompt's first seed: a share of pictures claims more than was seen."""
    assert candidate.named is not None and reference.named is not None  # noqa: S101, PT018 - the caller looked
    first = np.unique(units, return_index=True)[1]
    flags = candidate.named[first, 0], reference.named[first, 0]
    needed = prompts_to_decide_proportion(*flags, NAMED.bound)
    return check_of(NAMED, proportions_interval(*flags), needed)
