"""The verdict in one plain sentence, what it means, and numbers as people read them."""

from __future__ import annotations

import math

from burnish.core.evidence import Check, Verdict

FLOOR_MEANING = {
    "equivalent": "as good as the original's",
    "faithful": "the same as the original's, as far as eyes can tell",
}
NBSP = "\N{NO-BREAK SPACE}"
PASS_ALSO = {"equivalent": ", though not the same ones"}
SIGN: dict[str, str] = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}


def sentence(verdict: Verdict) -> str:
    """What the gate says, in one sentence."""
    meaning = FLOOR_MEANING.get(verdict.floor, f"good enough for the floor {verdict.floor!r}")
    asked = f"{verdict.prompts} prompts with {verdict.seeds} seed{'s' * (verdict.seeds != 1)} each"
    if verdict.outcome == "PASS":
        return f"On {asked}, the optimized model's pictures are {meaning}{PASS_ALSO.get(verdict.floor, '')}."
    if verdict.outcome == "FAIL":
        return f"On {asked}, the optimized model's pictures are not {meaning}: {_failed(verdict)}."
    if withheld(verdict):
        return "There is no verdict: the gate's own controls did not come out as they must."
    needed = max((check.prompts_to_decide for check in verdict.checks), default=0)
    return f"{asked[0].upper()}{asked[1:]} do not decide it; about {needed:,} prompts would."


def meaning(verdict: Verdict) -> str:
    """What to do with the answer."""
    if withheld(verdict):
        return (
            "A gate that lets a planted damage through, or stops the original itself, says nothing about the "
            "optimized model. See the controls below; usually more prompts are needed."
        )
    return {
        "PASS": "Every check is on the good side of its bound with 95 % confidence, the original against "
        "itself passed, and planted damage was caught. It can be released.",
        "FAIL": "At least one check is on the bad side of its bound with 95 % confidence. It should not be "
        "released; the checks below say what was lost.",
        "INCONCLUSIVE": "No check failed, and at least one could still go either way. This is no permission: "
        "measure with more prompts.",
    }[verdict.outcome]


def withheld(verdict: Verdict) -> bool:
    """Whether the controls, not the checks, made a verdict INCONCLUSIVE."""
    outcomes = {check.outcome for check in verdict.checks}
    return verdict.outcome == "INCONCLUSIVE" and ("FAIL" in outcomes or "INCONCLUSIVE" not in outcomes)


def quantity(value: float, unit: str) -> str:
    """Three significant digits with a true minus sign and the unit: "−0.12 points"; shares as percent."""
    text = f"{100 * value:.3g}{NBSP}%" if unit == "share" else f"{value:.3g}{NBSP}{unit}".rstrip(NBSP)
    return text.replace("-", "−", 1)


def span(check: Check) -> str:
    """The interval, to about two digits of its width: "0.10 (−0.20 to 0.41) points"."""
    factor, unit = (100.0, "%") if check.unit == "share" else (1.0, check.unit)
    low, mean, high = (factor * x for x in (check.interval.low, check.interval.mean, check.interval.high))
    digits = min(4, max(0, 1 - math.floor(math.log10(high - low)))) if high > low else 2
    text = f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f}){NBSP}{unit}"
    return text.rstrip(NBSP).replace("-", "−")


def bound(check: Check) -> str:
    """The bound: "at least −0.5 points"."""
    return f"{'at least' if check.direction == 'higher' else 'at most'} {quantity(check.bound, check.unit)}"


def ratio(original: float, optimized: float, less: str, more: str) -> str:
    """How the optimized model compares: "4.2 × faster"; "the same" within half a percent; "" unmeasured.

    `less` and `more` are the words for a smaller and a larger number.
    """
    if original <= 0 or optimized <= 0:
        return ""
    if abs(original - optimized) <= 0.005 * original:
        return "the same"
    if original > optimized:
        return f"{original / optimized:.3g}{NBSP}×{NBSP}{less}"
    return f"{optimized / original:.3g}{NBSP}×{NBSP}{more}"


def _failed(verdict: Verdict) -> str:
    names = [check.metric for check in verdict.checks if check.outcome == "FAIL"]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} on the wrong side of the bound"
