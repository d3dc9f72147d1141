"""Whether one bundle is as good as another, and on what that is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from burnish.api.models import MODELS, is_icons, open_bundle, require_alike
from burnish.core.errors import SuiteError
from burnish.core.evidence import Quality, Suite, Verdict
from burnish.core.files import digest_text
from burnish.core.model import ModelCard
from burnish.core.plan import Floor
from burnish.measure.controls import planted
from burnish.measure.draw import draw_part
from burnish.measure.gate import require_decidable, verdict
from burnish.measure.interval import mean_interval
from burnish.measure.judge import Judge, open_judge
from burnish.measure.pictures import Pictures
from burnish.measure.scores import score
from burnish.measure.suite import general_suite
from burnish.runtime import Pipeline


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
    if floor == "equivalent" and card.family != "stable-diffusion":
        raise SuiteError(f"{card.name} has no prompts for a judge to compare with", "Use --floor faithful")
    asked = suite or default_suite(card)
    require_decidable(asked, floor, choosing=choosing)
    return asked, open_judge(judge) if judge else default_judge(card, floor)


def signed(found: Verdict, candidate: str, reference: str, suite: Suite, judge: Judge) -> Verdict:
    """The verdict with what it was reached on; both bundles by their identity when they were opened."""
    return found.model_copy(
        update={
            "candidate": candidate,
            "reference": reference,
            "suite": digest_text(suite.model_dump_json()),
            "judge": judge.digest,
        }
    )


def gate(
    bundle: Path,
    against: str | Path,
    *,
    floor: Floor = "equivalent",
    suite: Suite | None = None,
    judge: Path | None = None,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Verdict:
    """Whether `bundle` is as good as `against` (a bundle, or a model with its default plan).

    On the confirmation prompts of the suite, with controls. Raises BundleError, ModelError, SuiteError.
    """
    candidate = Pipeline(bundle)
    base = open_bundle(against)
    require_alike(candidate, base)
    asked, opened = exam(base.bundle.model, floor, suite, judge, choosing=False)
    texts = [p.prompt for p in asked.confirmation]
    reference = drawn(base, asked, "original", report)
    ours = drawn(candidate, asked, "candidate", report)
    found = verdict(
        floor,
        score(opened, texts, ours, reference),
        score(opened, texts, reference, reference),
        planted(opened, texts, reference),
    )
    return signed(found, candidate.bundle.identity, base.bundle.identity, asked, opened)


def measure_quality(
    bundle: Path,
    suite: Suite,
    *,
    against: str | Path | None = None,
    judge: Path | None = None,
    report: Callable[[str, float], None] = lambda what, fraction: None,
) -> Quality:
    """How good a bundle's pictures of a suite's confirmation prompts are, and how near to `against`.

    Without `judge` the icons model's own is asked, which knows icons alone. Raises BundleError, ModelError,
    SuiteError.
    """
    pipeline = Pipeline(bundle)
    require_decidable(suite, "faithful", choosing=False)
    base = pipeline if against is None else open_bundle(against)
    require_alike(pipeline, base)
    card = pipeline.bundle.model
    floor: Floor = "equivalent" if card.family == "stable-diffusion" else "faithful"
    opened = open_judge(judge) if judge else default_judge(card, floor)
    ours = drawn(pipeline, suite, "bundle", report)
    reference = ours if against is None else drawn(base, suite, "original", report)
    found = score(opened, [p.prompt for p in suite.confirmation], ours, reference)
    metrics = {"broken pictures": found.broken.astype(float)}
    if card.family == "stable-diffusion":
        metrics["alignment"] = found.alignment
    if against is not None:
        metrics |= {"PSNR": found.psnr, "SSIM": found.ssim, "feature distance": found.distance}
    return Quality(
        bundle=pipeline.bundle.identity,
        against="" if against is None else base.bundle.identity,
        suite=digest_text(suite.model_dump_json()),
        judge=opened.digest,
        metrics={name: mean_interval(values.mean(axis=1)) for name, values in metrics.items()},
        seeds=len(suite.seeds),
    )


def drawn(
    pipeline: Pipeline, suite: Suite, name: str, report: Callable[[str, float], None]
) -> list[Pictures]:
    """The pictures of a suite's confirmation prompts."""
    return draw_part(
        pipeline,
        suite,
        "confirmation",
        progress=lambda done, of: report(f"{name}'s pictures {done}/{of}", done / of),
    )
