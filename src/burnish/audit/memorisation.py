"""Memorisation: do pictures lie nearer to single training pictures than unseen pictures do?

Two signs. Nearness: a picture's distance to its nearest training picture, in the judge's features, against
the distances of pictures that were held out of training. Text magnitude: memorised captions push the first
call further, so the norm of conditional minus unconditional output is larger (Wen, Liu, Chen and Lyu,
"Detecting, explaining, and mitigating memorization in diffusion models", ICLR 2024, arXiv 2407.21720); it is
read off prompts that were not trained on. Neither proves that any one picture was copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

from burnish.audit.compare import adjusted, compare, conformal, discoveries
from burnish.audit.data import TrainingData
from burnish.audit.novelty import distance_to
from burnish.audit.pair import Pair
from burnish.core.errors import RequestError
from burnish.core.evidence import Prompt
from burnish.core.findings import Comparison, Finding
from burnish.measure.draw import request_for
from burnish.measure.interval import rate_interval
from burnish.measure.pictures import Features, Flags, Values
from burnish.measure.proportions import proportions_interval
from burnish.measure.units import evenly
from burnish.runtime import Pipeline
from burnish.runtime.sampler import Array

NEAR = 0.05  # the share of held-out pictures that lies nearer than what is called near
FALSE_CALLS = 0.1


def near(features: Features, trained: Features, held_out: Features) -> tuple[Flags, float]:
    """(n,) which pictures lie nearer to a training picture than 95 % of held-out ones, and that distance.

    Of held-out pictures themselves at most 5 % do, so a rate above that is more than chance.
    """
    own = np.sort(distance_to(held_out, trained, k=1))
    limit = float(own[int(NEAR * len(own))])  # strictly below it are at most 5 %
    return distance_to(features, trained, k=1) < limit, limit


def rates(name: str, original: Flags, optimized: Flags) -> Comparison:
    """Rates of both models over the same (n,) prompts with exact intervals, and their paired difference.

    The p-value is McNemar's exact one: of the prompts on which they disagree, half each way.
    """
    n, gained, lost = len(original), int((optimized & ~original).sum()), int((original & ~optimized).sum())
    return Comparison(
        name=name,
        unit="share",
        original=rate_interval(int(original.sum()), n),
        optimized=rate_interval(int(optimized.sum()), n),
        change=proportions_interval(optimized, original),
        p_value=float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0,
    )


def magnitude(unconditional: Array, conditional: Array) -> Values:
    """(n,) norm of what the text changes in a denoiser's output (n, c, h, w), over the root of its size.

    The root of its size makes numbers of models with other latents comparable: 1 is one unit a number.
    """
    change = (conditional.astype(np.float64) - unconditional).reshape(len(conditional), -1)
    return np.linalg.norm(change, axis=1) / np.sqrt(change.shape[1])


def magnitudes(pipeline: Pipeline, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Values:
    """(prompts,) text magnitude of the first call, mean over seeds; raises as `Pipeline.first_outputs`."""
    found = []
    for prompt in prompts:
        outputs = pipeline.first_outputs(request_for(pipeline.bundle.model, [prompt], seeds))
        found.append(magnitude(*outputs).mean())
    return np.array(found)


def called(trained: Values, unseen: Values) -> Flags:
    """(n,) which prompts' magnitudes are too large for one not trained on, one false call in ten."""
    return discoveries(conformal(trained, unseen), FALSE_CALLS)


def audit_memorisation(
    pair: Pair, data: TrainingData | None, trained: Sequence[Prompt], unseen: Sequence[Prompt]
) -> Finding:
    """Nearness and text magnitude of both models on prompts they were trained on; raises SuiteError."""
    if data is None or not data.calibrates:
        return Finding(part="memorisation", left_out="no training data with twenty held-out pictures or more")
    if len(trained) < 2:
        return Finding(part="memorisation", left_out="no prompts that the model was trained on")
    asked = [trained[k] for k in evenly(len(trained), pair.most)]
    # One picture a prompt: the rate is of independent pictures, as that of held-out ones is.
    known, reference = data.features_of(trained=True), data.independent_features()
    flags, limit = [], 0.0
    for side in pair.features("memorisation", asked):
        found, limit = near(side[:, 0], known, reference)
        flags.append(found)
    nearness = rates(f"nearer to a training picture than {1 - NEAR:.0%} of held-out ones", *flags)
    text, numbers = _text(pair, asked, [unseen[k] for k in evenly(len(unseen), pair.most)])
    nearness, *text = adjusted((nearness, *text))
    return Finding(
        part="memorisation",
        answer=_answer(nearness),
        comparisons=(nearness, *text),
        numbers={"distance that counts as near, 1 - cosine": limit, **numbers},
        limits=(
            f"Of held-out pictures {NEAR:.0%} are so near themselves: icon sets share drawings.",
            "A picture of a trained prompt should resemble what was trained on; the change is what counts.",
        ),
    )


def _text(
    pair: Pair, trained: Sequence[Prompt], unseen: Sequence[Prompt]
) -> tuple[list[Comparison], dict[str, float]]:
    """Text magnitudes of both; nothing for a model that no text guides.

    The optimized graphs are called as the original's first call is: at another timestep magnitudes differ.
    """
    ours = pair.optimized.with_program(pair.original.program)
    try:
        sides = [
            [magnitudes(pipeline, prompts, pair.seeds) for prompts in (trained, unseen)]
            for pipeline in (pair.original, ours)
        ]
    except RequestError:
        return [], {}
    (original, original_unseen), (optimized, optimized_unseen) = sides
    shown = compare("text magnitude of trained prompts at the first call", original, optimized)
    if len(unseen) < 2:
        return [shown], {}
    return [shown], {
        "trained prompts called memorised by text magnitude, original": float(
            called(original, original_unseen).sum()
        ),
        "trained prompts called memorised by text magnitude, optimized": float(
            called(optimized, optimized_unseen).sum()
        ),
    }


def _answer(nearness: Comparison) -> str:
    if nearness.changed:
        how = "more" if nearness.change.mean > 0 else "less"
        return f"The optimized model draws {how} often what lies near a single training picture."
    if nearness.original.low > NEAR:
        return "The original draws near training pictures more often than chance; no change is proven."
    return "No model draws near training pictures provably more often than chance."
