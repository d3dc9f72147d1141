"""The verdict in one plain sentence, what it means, and numbers as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from burnish.core.evidence import Check, Outcome, Verdict

FLOOR_MEANING = {
    "equivalent": "as good as the original's",
    "faithful": "the same as the original's, as far as eyes can tell",
}
NBSP = "\N{NO-BREAK SPACE}"
PASS_ALSO = {"equivalent": ", though not the same ones"}
SIGN: dict[str, str] = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}
ALARM: dict[Outcome, str] = {"PASS": "✓ No alarm", "FAIL": "! Alarm", "INCONCLUSIVE": "? Unclear"}
NAMED = 3  # failed slices that the sentence names; the others are in the plot
MUST = re.compile(r"must (PASS|FAIL|INCONCLUSIVE)\b")  # how the gate begins a control's `why`


def sentence(verdict: Verdict) -> str:
    """What the gate says, in one sentence."""
    meaning = FLOOR_MEANING.get(verdict.floor, f"good enough for the floor {verdict.floor!r}")
    asked = f"{verdict.prompts} prompts with {verdict.seeds} seed{'s' * (verdict.seeds != 1)} each"
    if verdict.outcome == "PASS":
        return f"On {asked}, the optimized model's pictures are {meaning}{PASS_ALSO.get(verdict.floor, '')}."
    if verdict.outcome == "FAIL":
        return f"On {asked}, the optimized model's pictures are not {meaning}{_failed(verdict)}."
    if withheld(verdict):
        return "There is no verdict: the gate's own controls did not come out as they must."
    needed = max((check.prompts_to_decide for check in _deciding(verdict)), default=0)
    return f"{asked[0].upper()}{asked[1:]} do not decide it; about {needed:,} prompts would."


def meaning(verdict: Verdict) -> str:
    """What to do with the answer."""
    if withheld(verdict):
        return (
            "A gate that lets a planted damage through, or stops the original itself, says nothing about the "
            "optimized model. See the controls below; usually more prompts are needed."
        )
    what = "check and every slice" if verdict.slices else "check"
    one = "check or slice" if verdict.slices else "check"
    they = "checks and slices" if verdict.slices else "checks"
    return {
        "PASS": f"Every {what} is on the good side of its bound with 95 % confidence, the original against "
        "itself passed, and planted damage was caught. It can be released.",
        "FAIL": f"At least one {one} is on the bad side of its bound with 95 % confidence. It should not be "
        f"released; the {they} below say what was lost.",
        "INCONCLUSIVE": f"No {one} failed, and at least one could still go either way. This is no "
        "permission: measure with more prompts.",
    }[verdict.outcome]


def alarms(verdict: Verdict) -> str:
    """How many of the watched numbers raise an alarm, in one sentence; "" where nothing is watched."""
    watched = len(verdict.watched)
    if not watched:
        return ""
    number = sum(check.outcome == "FAIL" for check in verdict.watched)
    unclear = sum(check.outcome == "INCONCLUSIVE" for check in verdict.watched)
    also = f", {unclear} {'is' if unclear == 1 else 'are'} unclear" if unclear else ""
    if not number:
        return f"Of {watched} watched number{'s' * (watched != 1)}, none raises an alarm{also}."
    raises = f"{number} raise{'s' * (number == 1)} an alarm"
    return f"Of {watched} watched number{'s' * (watched != 1)}, {raises}{also}: look at it before a release."


def withheld(verdict: Verdict) -> bool:
    """Whether the controls, not the checks and slices, made a verdict INCONCLUSIVE."""
    outcomes = {check.outcome for check in _deciding(verdict)}
    return verdict.outcome == "INCONCLUSIVE" and ("FAIL" in outcomes or "INCONCLUSIVE" not in outcomes)


def expected(control: Check) -> str:
    """What a control must come out as, in the gate's words "must FAIL, ..."; "" where it does not say."""
    found = MUST.match(control.why)
    return found[1] if found else ""


def ahead(check: Check, value: float) -> float:
    """How far `value` lies on the good side of a check's bound, in its unit; negative on the bad side."""
    return value - check.bound if check.direction == "higher" else check.bound - value


def quantity(value: float, unit: str) -> str:
    """Three significant digits with a true minus sign and the unit: "−0.12 points"; shares as percent."""
    text = f"{100 * value:.3g}{NBSP}%" if unit == "share" else f"{value:.3g}{NBSP}{unit}".rstrip(NBSP)
    return text.replace("-", "−", 1)


def span(check: Check) -> str:
    """The interval, to about two digits of its width: "0.10 (−0.20 to 0.41) points"."""
    factor, unit = (100.0, "%") if check.unit == "share" else (1.0, check.unit)
    low, mean, high = (factor * x for x in (check.interval.low, check.interval.mean, check.interval.high))
    digits = min(4, max(0, 1 - math.floor(math.log10(high - low)))) if high > low else 2
    text = f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})".replace("-", "−")
    return f"{text}{NBSP}{unit}".rstrip(NBSP)


def bound(check: Check) -> str:
    """The bound: "at least −0.5 points"."""
    return f"{'at least' if check.direction == 'higher' else 'at most'} {quantity(check.bound, check.unit)}"


def tolerated(check: Check) -> str:
    """Where a FAIL begins, if that is not the bound: "FAIL below −1 points"; "" where it is."""
    if check.tolerated is None or check.tolerated == check.bound:
        return ""
    side = "below" if check.direction == "higher" else "above"
    return f"FAIL {side} {quantity(check.tolerated, check.unit)}"


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


def _deciding(verdict: Verdict) -> tuple[Check, ...]:
    return verdict.checks + verdict.slices


def _failed(verdict: Verdict) -> str:
    """What failed: ": alignment difference is on the wrong side of the bound, and so are 2 of 9 slices"."""
    checks, slices = (
        [check.metric for check in part if check.outcome == "FAIL"]
        for part in (verdict.checks, verdict.slices)
    )
    parts = []
    if checks:
        parts.append(f"{' and '.join(checks)} {_be(checks)} on the wrong side of the bound")
    if slices:
        more = f" and {len(slices) - NAMED} more" if len(slices) > NAMED else ""
        which = f"{len(slices)} of {len(verdict.slices)} slices ({', '.join(slices[:NAMED])}{more})"
        so = (
            f"so {_be(slices)} {which}" if checks else f"{which} {_be(slices)} on the wrong side of the bound"
        )
        parts.append(so)
    return f": {', and '.join(parts)}" if parts else ""


def _be(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
