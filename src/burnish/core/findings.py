"""Audit, Finding, Comparison: what else optimization may have changed, beside quality."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from burnish.core.evidence import Interval
from burnish.core.values import Part, Value

AuditPart = Literal["robustness", "novelty", "bias", "memorisation", "membership"]


class Comparison(Part):
    """One number of both models, and what optimization changed: optimized - original, on the same units."""

    name: str
    unit: str = ""
    original: Interval
    optimized: Interval
    change: Interval
    p_value: float | None = None  # two-sided, that nothing changed; by Holm over the comparisons beside it

    @property
    def changed(self) -> bool:
        """Whether the change's interval leaves 0 out and, where there is one, the p-value is at most 0.05."""
        apart = self.change.low > 0 or self.change.high < 0
        return apart and (self.p_value is None or self.p_value <= 0.05)


class Finding(Part):
    """What one part of an audit says; `left_out` tells why where it says nothing."""

    part: AuditPart
    answer: str = ""
    comparisons: tuple[Comparison, ...] = ()
    numbers: dict[str, float] = Field(
        default_factory=dict
    )  # what has no pair: thresholds, the judge's errors
    limits: tuple[str, ...] = ()  # what the numbers do not say
    left_out: str = ""


class Audit(Value):
    """Everything an audit found of an optimized bundle against its original."""

    bundle: str  # its identity
    against: str  # the original's
    judge: str  # sha256 of the judge's weights
    data: str = ""  # the training data that was compared with; "" where there was none
    prompts: int  # the most of one part
    seeds: int
    findings: tuple[Finding, ...]
