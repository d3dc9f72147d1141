"""Robustness: how much a typo or another wording of a prompt costs, and whether optimization made it more.

A perturbed prompt is judged by what was meant: its picture's alignment with the unperturbed prompt, below
that of the unperturbed prompt's own picture from the same seeds, is the loss. Fragility is the optimized
model's loss less the original's, so that what a perturbation costs any model cancels. Kinds of perturbation
are tested together by Holm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from burnish.audit.compare import adjusted, compare
from burnish.audit.pair import Pair
from burnish.core.evidence import Prompt
from burnish.core.findings import Comparison, Finding
from burnish.measure.pictures import Values
from burnish.measure.units import evenly

PREFIX = "perturbed:"


def variants_of(prompts: Sequence[Prompt]) -> dict[str, dict[str, list[Prompt]]]:
    """{unperturbed prompt: {kind: its perturbed forms}}; kinds are tags such as "perturbed:typo"."""
    found: dict[str, dict[str, list[Prompt]]] = {}
    for prompt in prompts:
        for tag in prompt.tags:
            if prompt.variant_of and tag.startswith(PREFIX):
                kinds = found.setdefault(prompt.variant_of, {})
                kinds.setdefault(tag.removeprefix(PREFIX), []).append(prompt)
    return found


def losses(
    aligned: Mapping[str, float], variants: Mapping[str, Mapping[str, Sequence[Prompt]]]
) -> dict[str, Values]:
    """{kind: (bases,) points lost}, from alignments by prompt; several forms of one kind are averaged.

    Bases come in the order of `variants`, so that two models' losses are pairs.
    """
    found: dict[str, list[float]] = {}
    for base, kinds in variants.items():
        for kind, forms in kinds.items():
            lost = aligned[base] - np.mean([aligned[form.prompt] for form in forms])
            found.setdefault(kind, []).append(float(lost))
    return {kind: np.array(values) for kind, values in found.items()}


def fragility(original: Mapping[str, Values], optimized: Mapping[str, Values]) -> tuple[Comparison, ...]:
    """Both models' losses by kind of perturbation, and their difference; p-values by Holm over kinds.

    Kinds with one base alone have no interval and are left out.
    """
    return adjusted(
        compare(f"loss under {kind}", original[kind], optimized[kind], "points")
        for kind in sorted(original)
        if len(original[kind]) > 1
    )


def audit_robustness(pair: Pair, prompts: Sequence[Prompt]) -> Finding:
    """The fragility of a suite's perturbed prompts; raises SuiteError as drawing does."""
    found = variants_of(prompts)
    if len(found) < 2:
        return Finding(
            part="robustness", left_out="no suite with perturbed prompts (variant_of, tags perturbed:...)"
        )
    bases = [list(found)[k] for k in evenly(len(found), pair.most)]
    chosen = {base: found[base] for base in bases}
    forms = [form for kinds in chosen.values() for each in kinds.values() for form in each]
    asked = list({p.prompt: p for p in [*(Prompt(prompt=base) for base in bases), *forms]}.values())
    sides = [
        dict(zip((p.prompt for p in asked), pair.aligned(side, [p.meant for p in asked]), strict=True))
        for side in pair.features("robustness", asked)
    ]
    comparisons = fragility(losses(sides[0], chosen), losses(sides[1], chosen))
    return Finding(
        part="robustness",
        answer=_answer(comparisons),
        comparisons=comparisons,
        limits=("The loss is in the judge's eyes; it says nothing of perturbations that the suite lacks.",),
    )


def _answer(comparisons: Sequence[Comparison]) -> str:
    more = [c.name.removeprefix("loss under ") for c in comparisons if c.changed and c.change.mean > 0]
    less = [c.name.removeprefix("loss under ") for c in comparisons if c.changed and c.change.mean < 0]
    if more:
        return f"Optimization made the model more fragile under {', '.join(more)}."
    if less:
        return f"Optimization made the model less fragile under {', '.join(less)}."
    worst = max((c.change.high for c in comparisons), default=float("nan"))
    return f"No kind of perturbation costs the optimized model provably more; at most {worst:.2g} points."
