"""How good a bundle's pictures of a suite are."""

from __future__ import annotations

from pathlib import Path

from burnish.api.models import open_bundle, require_alike
from burnish.api.verdicts import default_judge
from burnish.core.evidence import Quality, Suite
from burnish.core.files import digest_text
from burnish.core.plan import Floor
from burnish.core.source import Model
from burnish.measure.advisory import advisory
from burnish.measure.arena import Eyes, Report
from burnish.measure.draw import Drawn, draw_part
from burnish.measure.gate import require_decidable
from burnish.measure.interval import mean_interval
from burnish.measure.judge import open_features, open_judge
from burnish.measure.units import by_unit, number_units
from burnish.runtime import Pipeline


def measure_quality(
    bundle: Path,
    suite: Suite,
    *,
    against: Model | None = None,
    judge: Path | None = None,
    features: Path | None = None,
    report: Report = lambda what, fraction: None,
) -> Quality:
    """How good a bundle's pictures of a suite's confirmation prompts are, and how near to `against`.

    Without `judge` the icons model's own is asked, which knows icons alone; `features` is a directory whose
    encoder sees distances instead. Raises BundleError, ModelError, SuiteError.
    """
    pipeline = Pipeline(bundle)
    require_decidable(suite, "faithful", choosing=False)
    base = pipeline if against is None else open_bundle(against)
    require_alike(pipeline, base)
    card = pipeline.bundle.model
    floor: Floor = "equivalent" if card.reads_text else "faithful"
    opened = open_judge(judge) if judge else default_judge(card, floor)
    eyes = Eyes(opened, open_features(features) if features else None)
    prompts = suite.confirmation

    def drawn(each: Pipeline, name: str) -> Drawn:
        def progress(done: int, of: int) -> None:
            report(f"{name} pictures {done}/{of}", done / of)

        return draw_part(each, suite, "confirmation", progress)

    ours = drawn(pipeline, "bundle's")
    reference = ours if against is None else drawn(base, "original's")
    found = eyes.score(prompts, ours, reference)
    metrics = {"broken pictures": found.broken.astype(float)}
    if card.reads_text:
        metrics["alignment"] = found.alignment
    if against is not None:
        metrics |= {"PSNR": found.psnr, "SSIM": found.ssim, "feature distance": found.distance}
    units = number_units([p.unit for p in prompts])
    return Quality(
        bundle=pipeline.bundle.identity,
        against="" if against is None else base.bundle.identity,
        suite=digest_text(suite.model_dump_json()),
        judge=opened.digest,
        metrics={name: mean_interval(by_unit(v.mean(axis=1), units)) for name, v in metrics.items()},
        advisory={} if against is None else advisory(found, eyes.score(prompts, reference, reference)),
        seeds=len(suite.seeds),
    )
