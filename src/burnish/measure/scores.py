"""Scores: every metric of every picture of a suite, which is all the gate looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice, zip_longest

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.judge import Judge
from burnish.measure.metrics.alignment import alignment
from burnish.measure.metrics.broken import broken, repeated
from burnish.measure.metrics.features import feature_distance
from burnish.measure.metrics.psnr import psnr
from burnish.measure.metrics.ssim import ssim
from burnish.measure.pictures import Features, Flags, Pictures, Values

CHUNK = 16  # prompts whose pictures are in memory at once


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Metrics of one model's pictures against its reference's, each (prompts, seeds); see `metrics`.

    `features` (prompts, seeds, d) are the judge's, for distances between distributions; None leaves those
    out. Raises SuiteError where shapes differ, there is no picture, or a number is not finite.
    """

    psnr: Values
    ssim: Values
    distance: Values
    alignment: Values
    broken: Flags
    features: Features | None = None

    def __post_init__(self) -> None:
        shape = self.psnr.shape
        if len(shape) != 2 or 0 in shape:
            raise SuiteError(f"scores are (prompts, seeds), not {shape}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if value.shape[:2] != shape:
                raise SuiteError(f"{field.name} is {value.shape}, psnr is {shape}")
            if not np.isfinite(value).all():
                raise SuiteError(f"{field.name} is not finite everywhere", "Look at the pictures it is of")

    @property
    def shape(self) -> tuple[int, int]:
        """(prompts, seeds)."""
        prompts, seeds = self.psnr.shape
        return prompts, seeds

    def first(self, count: int | None) -> Scores:
        """Those of the first `count` prompts; None is all of them."""
        return Scores(
            psnr=self.psnr[:count],
            ssim=self.ssim[:count],
            distance=self.distance[:count],
            alignment=self.alignment[:count],
            broken=self.broken[:count],
            features=None if self.features is None else self.features[:count],
        )


def score(
    judge: Judge, prompts: Sequence[str], images: Iterable[Pictures], references: Iterable[Pictures]
) -> Scores:
    """Scores of `images` against `references`, which come one prompt at a time: (seeds, h, w, 3) uint8.

    An array (prompts, seeds, h, w, 3), a list or a generator will do; sixteen prompts' pictures are held at
    once, and of the others only their scores. `score(judge, prompts, r, r)` are the reference's own. Raises
    SuiteError where the numbers of prompts, seeds or pixels differ.
    """
    parts: list[Scores] = []
    given = iter(prompts)
    for chunk in _chunks(_pairs(images, references)):
        names = list(islice(given, len(chunk)))
        if len(names) < len(chunk):
            raise SuiteError(f"there are pictures for more than the {len(prompts)} prompts")
        parts.append(_score_chunk(judge, names, *map(np.stack, zip(*chunk, strict=True))))
    if not parts or next(given, None) is not None:
        raise SuiteError(f"there are not pictures for all of the {len(prompts)} prompts")
    together = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Scores)
    }
    return Scores(**together)


def _pairs(images: Iterable[Pictures], references: Iterable[Pictures]) -> Iterator[tuple[Pictures, Pictures]]:
    shape = None
    for ours, theirs in zip_longest(images, references):
        if ours is None or theirs is None:
            raise SuiteError("one model has pictures of more prompts than the other")
        if {ours.shape, theirs.shape} != {shape or ours.shape}:
            raise SuiteError(f"pictures of one prompt are {ours.shape} and {theirs.shape}, {shape} before")
        shape = ours.shape
        yield ours, theirs


def _chunks(pairs: Iterator[tuple[Pictures, Pictures]]) -> Iterator[list[tuple[Pictures, Pictures]]]:
    while chunk := list(islice(pairs, CHUNK)):
        yield chunk


def _score_chunk(judge: Judge, prompts: list[str], images: Pictures, references: Pictures) -> Scores:
    """One chunk: both stacks are (prompts, seeds, h, w, 3)."""
    shape = images.shape[:2]
    ours = images.reshape(-1, *images.shape[2:])
    theirs = references.reshape(-1, *references.shape[2:])
    features = judge.image_features(ours)
    same = np.array([[repeated(seeds)] for seeds in images])
    text = np.repeat(judge.text_features(prompts), shape[1], axis=0)
    return Scores(
        psnr=psnr(ours, theirs).reshape(shape),
        ssim=ssim(ours, theirs).reshape(shape),
        distance=feature_distance(features, judge.image_features(theirs)).reshape(shape),
        alignment=alignment(features, text).reshape(shape),
        broken=broken(ours).any(axis=1).reshape(shape) | same,
        features=features.reshape(*shape, -1),
    )
