"""Novelty: how far a prompt or a picture lies from the training data, and whether quality suffers there.

The score is the distance to the k-th nearest training item in the judge's features; what is far is read off
items that were held out of training: a conformal p-value, right whatever the features are (Bates, Candes,
Lei, Romano and Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 51, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

from burnish.audit.compare import adjusted, compare, conformal, discoveries
from burnish.audit.data import TrainingData
from burnish.audit.pair import Pair
from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt
from burnish.core.findings import Comparison, Finding
from burnish.measure.pictures import Features, Flags, Values
from burnish.measure.units import evenly

NEAREST = 5
CHUNK = 256  # rows of distances in memory at once
FALSE_CALLS = 0.1  # the share of prompts called novel that may be usual
# By conformal p-value: of held-out items half are familiar, four in ten less so, one in ten novel.
BANDS = {"familiar": (0.5, 1.0), "less familiar": (0.1, 0.5), "novel": (0.0, 0.1)}
FEWEST = 5  # prompts of a band: below, an interval says nothing


def distance_to(features: Features, trained: Features, k: int = NEAREST) -> Values:
    """(n,) distance, 1 - cosine in [0, 2], of each row to its k-th nearest of the trained ones (m, d).

    Rows have norm 1. Raises SuiteError where m < k.
    """
    if len(trained) < k:
        raise SuiteError(f"{len(trained)} training items have no {k}-th nearest", f"Give {k} or more")
    y = trained.astype(np.float64)
    parts = [
        np.partition(cdist(features[start : start + CHUNK].astype(np.float64), y, "sqeuclidean"), k - 1)[
            :, k - 1
        ]
        for start in range(0, len(features), CHUNK)
    ]
    return np.concatenate(parts) / 2  # |a - b|^2 = 2 (1 - cos)


def novelty(features: Features, trained: Features, held_out: Features, k: int = NEAREST) -> Values:
    """(n,) conformal p-values: small is novel. Held-out items must be independent of each other."""
    return conformal(distance_to(features, trained, k), distance_to(held_out, trained, k))


def band_of(p_values: Values) -> dict[str, Flags]:
    """Which items belong to which band; every one to exactly one."""
    return {name: (p_values > low) & (p_values <= high) for name, (low, high) in BANDS.items()}


def by_band(p_values: Values, original: Values, optimized: Values) -> tuple[Comparison, ...]:
    """Quality (prompts,) of both models by band of novelty, p-values not adjusted; small bands left out."""
    return tuple(
        compare(f"alignment of {name} prompts", original[inside], optimized[inside], "points")
        for name, inside in band_of(p_values).items()
        if inside.sum() >= FEWEST
    )


def prompt_novelty(pair: Pair, data: TrainingData, texts: Sequence[str]) -> Values:
    """(n,) conformal p-values of prompts among the captions of held-out items, one of each concept."""
    known = sorted({form for item in data.items_of(trained=True) for form in item.forms})
    # Half of the suites' prompts name a style, so half of the captions that calibrate do.
    unseen = [item.forms[k % len(item.forms)] for k, item in enumerate(data.independent())]
    features = pair.judge.text_features
    return novelty(features(texts), features(known), features(unseen))


def audit_novelty(pair: Pair, data: TrainingData | None, prompts: Sequence[Prompt]) -> Finding:
    """Quality and the novelty of pictures, by how novel the prompt is; raises SuiteError as drawing does."""
    if data is None or not data.calibrates or not any(i.caption for i in data.items):
        return Finding(part="novelty", left_out="no training data with captions and a held-out part")
    asked = [prompts[k] for k in evenly(len(prompts), pair.most)]
    texts = [p.meant for p in asked]
    p_values = prompt_novelty(pair, data, texts)
    original, optimized = pair.features("novelty", asked)
    quality = list(by_band(p_values, pair.aligned(original, texts), pair.aligned(optimized, texts)))
    ours, theirs = (_usual(side, data) for side in (optimized, original))
    pictures = compare("pictures' conformal p-value (small: unlike any training picture)", theirs, ours)
    *quality, pictures = adjusted((*quality, pictures))
    return Finding(
        part="novelty",
        answer=_answer(quality),
        comparisons=(*quality, pictures),
        numbers={
            "prompts": len(asked),
            "prompts called novel, one false call in ten": float(discoveries(p_values, FALSE_CALLS).sum()),
        },
        limits=(
            "Held-out items that the bands are read off share concepts with the training items.",
            "Distances are the judge's: what it cannot see is not novel to it.",
        ),
    )


def _usual(features: Features, data: TrainingData) -> Values:
    """(prompts,) mean conformal p-value of the pictures (prompts, seeds, d) among held-out pictures."""
    flat = features.reshape(-1, features.shape[-1])
    found = novelty(flat, data.features_of(trained=True), data.independent_features())
    return found.reshape(features.shape[:2]).mean(axis=1)


def _answer(comparisons: Sequence[Comparison]) -> str:
    worse = [c.name.removeprefix("alignment of ") for c in comparisons if c.changed and c.change.mean < 0]
    if worse:
        return f"Optimization cost alignment on {', '.join(worse)}."
    lows = {c.name.removeprefix("alignment of "): -c.change.low for c in comparisons}
    if not lows:
        return "No band of novelty has enough prompts."
    where = max(lows, key=lambda name: lows[name])
    return (
        f"No band provably lost alignment; the most that may be lost is {lows[where]:.2g} points, on {where}."
    )
