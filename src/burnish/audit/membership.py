"""Membership: can one tell from the model which set of pictures it was trained on? An answer on the set.

A picture is noised and restored by one call. Where pictures trained on come back better than like ones that
were held out, the model remembers its set. Attacks on single pictures fail where members and others are
drawn alike ("CopyMark", arXiv 2410.03640), evidence over a set does not ("CDI", arXiv 2411.12858), so there
is one p-value for the set and never a word about one picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from burnish.audit.compare import compare
from burnish.audit.data import Matched
from burnish.audit.pair import Pair
from burnish.core.evidence import Prompt
from burnish.core.findings import Comparison, Finding
from burnish.measure.draw import request_for
from burnish.measure.pictures import Pictures, Values
from burnish.runtime import Pipeline, Request

FLIPS = 9999
STRENGTHS = (0.25, 0.5)  # of the noise: little shows drawing, more shows what is drawn


def flip_test(gaps: Values, flips: int = FLIPS) -> float:
    """p-value that (n,) matched differences have mean 0 or less, by flipping their signs at random.

    Exact where members and others are exchangeable within a match: (1 + #{flipped >= seen}) / (flips + 1).
    The seed is fixed. With 100 matches and 9999 flips it takes 8 MB.
    """
    rng = np.random.Generator(np.random.Philox(len(gaps)))
    signs = rng.integers(0, 2, size=(flips, len(gaps)), dtype=np.int8) * 2 - 1
    seen = gaps.mean()
    return float((1 + (signs @ gaps / len(gaps) >= seen - 1e-12).sum()) / (flips + 1))


def restored_error(restored: Pictures, picture: Pictures) -> float:
    """Root mean square error, in levels of 255, of restorations (seeds, h, w, 3) of one picture (h, w, 3)."""
    return float(np.sqrt(np.square(restored.astype(np.float64) - picture).mean()))


def errors(
    pipeline: Pipeline,
    pictures: Pictures,
    captions: Sequence[str],
    seeds: Sequence[int],
    strengths: Sequence[float] = STRENGTHS,
    tick: Callable[[], None] = lambda: None,
) -> Values:
    """(n,) error in levels of pictures noised and restored by one call, mean over strengths.

    The caption stands for the negative prompt too: both passes are then the same, and a plan's guidance, or
    that it has none late, makes no difference. Raises RequestError where the bundle has no image-to-image
    tables or another size.
    """
    card, found = pipeline.bundle.model, []
    for picture, caption in zip(pictures, captions, strict=True):
        asked = request_for(card, [Prompt(prompt=caption)], seeds)
        tries = []
        for strength in strengths:
            request = Request(
                seeds=asked.seeds,
                prompts=asked.prompts,
                negative_prompt=caption,
                image=picture,
                strength=strength,
            )
            tries.append(restored_error(next(pipeline.steps(request)).preview(), picture))
        found.append(np.mean(tries))
        tick()
    return np.array(found)


def alike_strengths(original: Pipeline, optimized: Pipeline) -> tuple[list[float], list[float]]:
    """Strengths at which both begin at nearly one timestep: the optimized's own, and the original's nearest.

    Plans of few steps begin elsewhere at the same strength, and less noise alone is restored better.
    """
    steps = original.bundle.plan.num_inference_steps
    begins = np.array([original.start_program(k).timesteps[0] for k in range(steps)])
    few = optimized.bundle.plan.num_inference_steps
    ours, theirs = [], []
    for strength in STRENGTHS:
        left = max(1, int(few * strength))
        k = int(np.abs(begins - optimized.start_program(few - left).timesteps[0]).argmin())
        # Half a step more: what is cut off to whole steps is never one too few.
        ours.append(min(1.0, (left + 0.5) / few))
        theirs.append(min(1.0, (steps - k + 0.5) / steps))
    return theirs, ours


def lead(original: Values, optimized: Values) -> tuple[Comparison, dict[str, float]]:
    """How much better members come back, from (matches,) gaps held out - member of both models."""
    return (
        compare("members are restored better by", original, optimized, "levels"),
        {
            "p-value that the original does not know its set": flip_test(original),
            "p-value that the optimized does not know its set": flip_test(optimized),
        },
    )


def audit_membership(pair: Pair, matched: Matched | None) -> Finding:
    """The lead of members on the matched pictures; raises SuiteError, RequestError."""
    reason = _reason(pair, matched)
    if matched is None or reason:
        return Finding(part="membership", left_out=reason)
    theirs, ours = alike_strengths(pair.original, pair.optimized)
    gaps = [
        _gaps(pair, pair.original, matched, "original", theirs),
        _gaps(pair, pair.optimized, matched, "optimized", ours),
    ]
    shown, p_values = lead(*gaps)
    knows = {name: p <= 0.05 for name, p in p_values.items()}
    told = sum(knows.values())
    answer = ("Neither model gives its", "One of the models gives its", "Both models give their")[told]
    return Finding(
        part="membership",
        answer=f"{answer} training set away; optimization {_change(shown)}.",
        comparisons=(shown,),
        numbers={"matches": float(len(gaps[0])), **p_values},
        limits=(
            "It is one answer about the set. It says nothing about any single picture.",
            "Both begin at the nearest timesteps that their tables have; what is left is in the change.",
        ),
    )


def _gaps(pair: Pair, pipeline: Pipeline, matched: Matched, name: str, strengths: Sequence[float]) -> Values:
    count, done = 2 * len(matched.trained), 0

    def tick() -> None:
        nonlocal done
        done += 1
        pair.report(f"membership: {name} restores {done}/{count}", done / count)

    def of(pictures: Pictures, captions: Sequence[str]) -> Values:
        return errors(pipeline, pictures, captions, pair.seeds, strengths, tick)

    unseen = of(matched.held_out, matched.held_out_captions)
    return unseen - of(matched.trained, matched.trained_captions)


def _reason(pair: Pair, matched: Matched | None) -> str:
    if matched is None:
        return "no matched pictures that were trained on and held out"
    if not (pair.original.bundle.starts and pair.optimized.bundle.starts):
        return "a bundle without image-to-image tables cannot restore a picture"
    if matched.trained.shape[1:3] != pair.original.bundle.model.image_shape[1:]:
        return "the matched pictures are of another size than the model's"
    return ""


def _change(shown: Comparison) -> str:
    if not shown.changed:
        return "changed that not provably"
    return f"made the lead {'larger' if shown.change.mean > 0 else 'smaller'}"
