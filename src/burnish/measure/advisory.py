"""What is shown beside a verdict and decides nothing: means, and distances between whole sets of pictures.

Original and candidate have as many pictures, so that what depends on their number can be compared. Where a
metric refuses so few, it is left out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict

from burnish.core.errors import SuiteError
from burnish.measure.metrics.diversity import diversity
from burnish.measure.metrics.frechet import frechet, frechet_extrapolated
from burnish.measure.metrics.kid import kid
from burnish.measure.metrics.mmd import mmd
from burnish.measure.metrics.neighbours import neighbours
from burnish.measure.metrics.vendi import vendi
from burnish.measure.pictures import Features
from burnish.measure.scores import Scores


def advisory(candidate: Scores, reference: Scores) -> dict[str, float]:
    """Every such number of a candidate's scores and its reference's own, on the same prompts and seeds."""
    means = {
        "alignment": candidate.alignment,
        "alignment of the reference": reference.alignment,
        "PSNR": candidate.psnr,
        "SSIM": candidate.ssim,
        "feature distance": candidate.distance,
    }
    shown = {name: float(values.mean()) for name, values in means.items()}
    if candidate.features is None or reference.features is None:
        return shown
    return shown | _of_sets(candidate.features, reference.features)


def _of_sets(ours: Features, theirs: Features) -> dict[str, float]:
    """Of features (prompts, seeds, d) of both."""
    flat, other = (each.reshape(-1, each.shape[-1]) for each in (ours, theirs))
    shown: dict[str, float] = {"Vendi score": vendi(flat), "Vendi score of the reference": vendi(other)}
    with suppress(SuiteError):
        shown["diversity within a prompt"] = float(diversity(ours).mean())
        shown["diversity within a prompt, of the reference"] = float(diversity(theirs).mean())
    for name, distance in (("KID", kid), ("RBF-MMD", mmd)):
        with suppress(SuiteError):
            shown[name], shown[f"{name}, p-value"] = distance(ours, theirs)
    with suppress(SuiteError):
        shown |= asdict(neighbours(flat, other))
    with suppress(SuiteError):
        shown["Fréchet distance"] = frechet(flat, other)
        shown["Fréchet distance, extrapolated"] = frechet_extrapolated(flat, other).distance
    return shown
