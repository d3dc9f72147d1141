"""The original and the optimized model, side by side, and the judge that looks at both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.core.evidence import Prompt, Suite
from burnish.measure.arena import Report
from burnish.measure.draw import draw_part
from burnish.measure.judge import Judge
from burnish.measure.metrics.alignment import alignment
from burnish.measure.pictures import Features, Values
from burnish.runtime import Pipeline


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What every part of an audit draws with: the same seeds for every prompt, at most `most` prompts."""

    original: Pipeline
    optimized: Pipeline
    judge: Judge
    seeds: tuple[int, ...]
    most: int
    report: Report

    def features(self, what: str, prompts: Sequence[Prompt]) -> tuple[Features, Features]:
        """The judge's features (prompts, seeds, d) of the original's and the optimized's pictures."""
        suite = Suite(name="audit", selection=(), confirmation=tuple(prompts), seeds=self.seeds)
        return self._seen(self.original, suite, f"{what}: original's"), self._seen(
            self.optimized, suite, f"{what}: optimized's"
        )

    def _seen(self, pipeline: Pipeline, suite: Suite, name: str) -> Features:
        drawn = draw_part(
            pipeline,
            suite,
            "confirmation",
            progress=lambda done, of: self.report(f"{name} pictures {done}/{of}", done / of),
        )
        return np.stack([self.judge.image_features(pictures) for pictures in drawn])

    def aligned(self, features: Features, texts: Sequence[str]) -> Values:
        """(prompts,) points: how well pictures (prompts, seeds, d) show the texts, seeds averaged."""
        asked = np.repeat(self.judge.text_features(texts), features.shape[1], axis=0)
        flat = features.reshape(-1, features.shape[-1])
        return alignment(flat, asked).reshape(features.shape[:2]).mean(axis=1)
