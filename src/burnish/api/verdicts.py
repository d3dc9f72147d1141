"""Whether one bundle is as good as another, and on what that is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.api.costs import probe_request
from burnish.api.models import MODELS, is_icons, open_bundle, require_alike
from burnish.core.errors import NotFiniteError, SuiteError
from burnish.core.evidence import Suite, Verdict
from burnish.core.files import digest_text
from burnish.core.model import ModelCard
from burnish.core.plan import Floor
from burnish.core.source import Model
from burnish.measure.arena import Arena, Eyes, Report, make_arena
from burnish.measure.controls import armed, drawn, model_controls
from burnish.measure.cost import Cost, measure_cost
from burnish.measure.gate import require_decidable
from burnish.measure.judge import Judge, open_features, open_judge
from burnish.measure.margin import Margin, require_unit
from burnish.measure.pictures import Pictures
from burnish.measure.rival import Rival, rival
from burnish.measure.scores import Scores
from burnish.measure.suite import general_suite
from burnish.runtime import Pipeline

TIMED = 3  # pictures of each bundle


def default_suite(card: ModelCard) -> Suite:
    """The suite that the embedded model brings, or a general one."""
    return Suite.read(MODELS / "icons-suite.json") if is_icons(card) else general_suite(card)


def default_judge(card: ModelCard, floor: Floor) -> Judge:
    """The judge that the icons model brings; raises SuiteError where its eye is not to be trusted."""
    if floor == "equivalent" and not is_icons(card):
        raise SuiteError(
            f"the judge at hand knows 64-pixel icons, not what {card.name} draws",
            "Give --judge DIR, a CLIPModel directory (a gate can do without: --floor faithful)",
        )
    return open_judge(MODELS / "icons-judge")


def exam(
    card: ModelCard, floor: Floor, suite: Suite | None, judge: Path | None, *, choosing: bool
) -> tuple[Suite, Judge]:
    """What a candidate for this model is judged on and by; raises SuiteError, ModelError."""
    if floor == "equivalent" and not card.reads_text:
        raise SuiteError(f"{card.name} has no prompts for a judge to compare with", "Use --floor faithful")
    asked = suite or default_suite(card)
    require_decidable(asked, floor, choosing=choosing)
    return asked, open_judge(judge) if judge else default_judge(card, floor)


def signed(found: Verdict, candidate: str, reference: str, suite: Suite, eyes: Eyes) -> Verdict:
    """The verdict with what it was reached on; both bundles by their identity when they were opened."""
    return found.model_copy(
        update={
            "candidate": candidate,
            "reference": reference,
            "suite": digest_text(suite.model_dump_json()),
            "judge": eyes.judge.digest,
            "features": (eyes.encoder or eyes.judge).digest,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict with all that it was reached on."""

    verdict: Verdict
    arena: Arena
    candidate: Pipeline
    pictures: Sequence[Pictures]  # the candidate's
    scores: Scores  # the candidate's
    costs: tuple[Cost, Cost]  # of one picture: the reference's, the candidate's
    rival: Rival | None


@dataclass(frozen=True, kw_only=True)
class Question:
    """Two bundles, opened, and all that one is judged against the other by."""

    reference: Pipeline
    candidate: Pipeline
    suite: Suite
    eyes: Eyes
    floor: Floor
    margin: Margin
    names: tuple[str, str]  # as they were asked for


def open_question(
    bundle: Path,
    against: Model,
    *,
    floor: Floor = "equivalent",
    suite: Suite | None = None,
    judge: Path | None = None,
    features: Path | None = None,
    margin: Margin | None = None,
) -> Question:
    """Everything opened and checked before anything is drawn; raises BundleError, ModelError, SuiteError."""
    candidate, reference = Pipeline(bundle), open_bundle(against)
    require_alike(candidate, reference)
    asked, opened = exam(reference.bundle.model, floor, suite, judge, choosing=False)
    return Question(
        reference=reference,
        candidate=candidate,
        suite=asked,
        eyes=Eyes(opened, open_features(features) if features else None),
        floor=floor,
        margin=margin or Margin(),
        names=(str(bundle), str(against)),
    )


def answer(asked: Question, report: Report = lambda what, fraction: None) -> Judged:
    """The verdict on the confirmation prompts, with every control; raises SuiteError, BundleError, OSError.

    What was drawn before an interrupt is not drawn again.
    """
    candidate = asked.candidate
    arena = armed(
        make_arena(
            asked.suite, "confirmation", asked.eyes, asked.floor, asked.reference, report, asked.margin
        )
    )
    if arena.limits.halved is not None:
        require_unit(arena.scores, arena.limits.halved)
    pictures = drawn(arena, candidate, "candidate's pictures", report)
    scores = arena.score(pictures)
    found = arena.verdict(scores, list(model_controls(arena, candidate, report)))
    report("timing both", 0.9)
    costs = _cost(asked.reference), _cost(candidate)
    identities = candidate.bundle.identity, asked.reference.bundle.identity
    beside = rival(arena, costs[1].latency_s / costs[0].latency_s, report)
    found = found.model_copy(update={"rival": beside.check if beside else None})
    return Judged(
        verdict=signed(found, *identities, asked.suite, asked.eyes),
        arena=arena,
        candidate=candidate,
        pictures=pictures,
        scores=scores,
        costs=costs,
        rival=beside,
    )


def _cost(pipeline: Pipeline) -> Cost:
    """Of one picture; nothing where the numbers that are drawn are none."""
    request = probe_request(pipeline, 1)
    try:
        return measure_cost(lambda: pipeline.generate(request), TIMED)
    except NotFiniteError:
        return Cost(0.0, 0.0, 0.0, "")
