"""Token merging: the finest self-attention asks the means of neighbouring tokens."""

from __future__ import annotations

from typing import Any

from burnish.build.technique import Technique
from burnish.core.errors import PlanError
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan
from burnish.graphs.token_merging import RECTANGLES, merge_tokens, self_attentions


def merged(model: Any, share: float) -> Any:
    """A copy of the denoiser with `share` of the tokens merged in its finest self-attention.

    0 is the model. Raises PlanError where it has no self-attention over the picture alone.
    """
    if not share:
        return model
    if not self_attentions(model):
        raise PlanError(
            f"{TECHNIQUE.name} does not apply: no self-attention of this denoiser is over the picture alone",
            "Change token_merging to 0",
        )
    return merge_tokens(model, share)


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    share = plan.token_merging
    if share and share not in RECTANGLES:
        return f"neighbours merge {' or '.join(f'{s:g}' for s in RECTANGLES)} of the tokens, not {share:g}"
    return ""


TECHNIQUE = Technique(
    name="token_merging",
    fields=("token_merging",),
    effect="Attention over a large picture has much alike; a quarter of its keys takes half the time.",
    cost="none",
    paper="Smith et al., ToDo, arXiv 2402.13573; Bolya and Hoffman, ToMe for SD, arXiv 2303.17604",
    refusal=_refusal,
)
