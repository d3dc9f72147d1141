"""Scores: every metric of every picture of a suite, which is all the gate looks at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import numpy as np

from burnish.core.errors import SuiteError
from burnish.measure.judge import Encoder, Judge
from burnish.measure.metrics.alignment import alignment
from burnish.measure.metrics.broken import broken, repeated
from burnish.measure.metrics.colour import mean_colour
from burnish.measure.metrics.contrast import contrast_drift
from burnish.measure.metrics.detail import detail_drift
from burnish.measure.metrics.features import feature_distance
from burnish.measure.metrics.named import named
from burnish.measure.metrics.psnr import psnr
from burnish.measure.metrics.ssim import ssim
from burnish.measure.pictures import Features, Flags, Indices, Pictures, Values

CHUNK = 16  # prompts whose pictures are in memory at once


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Metrics of one model's pictures against its reference's, each (prompts, seeds); see `metrics`.

    `features` (prompts, seeds, d) are for distances between sets; `colour` (prompts, seeds, 3) are the
    pictures' own mean colours, `named` whether the judge names them right among all prompts of the suite.
    None leaves out what is made of them. Raises SuiteError where shapes differ, there is no picture, or a
    number is not finite.
    """

    psnr: Values
    ssim: Values
    distance: Values
    alignment: Values
    broken: Flags
    features: Features | None = None
    colour: Values | None = None
    contrast: Values | None = None
    detail: Values | None = None
    named: Flags | None = None

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

    def of(self, which: Indices) -> Scores:
        """Those of some prompts, by their numbers."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        some: dict[str, Any] = {name: None if part is None else part[which] for name, part in parts.items()}
        return Scores(**some)

    def first(self, count: int | None) -> Scores:
        """Those of the first `count` prompts; None is all of them."""
        return self.of(np.arange(len(self.psnr))[:count])


def score(
    judge: Judge,
    prompts: Sequence[str],
    images: Iterable[Pictures],
    references: Iterable[Pictures],
    encoder: Encoder | None = None,
    known: Features | None = None,
) -> Scores:
    """Scores of `images` against `references`, which come one prompt at a time: (seeds, h, w, 3) uint8.

    `encoder` sees distances and sets; without it the judge does. An array (prompts, seeds, h, w, 3), a list
    or a generator will do; sixteen prompts' pictures are held at once, and of the others only their scores.
    `score(judge, prompts, r, r)` are the reference's own, whose features may be given as `known`. Raises
    SuiteError where the numbers of prompts, seeds or pixels differ.
    """
    parts: list[Scores] = []
    given = iter(prompts)
    captions = list(dict.fromkeys(prompts))
    texts = _Captions(captions, judge.text_features(captions))
    for chunk in _chunks(_pairs(images, references)):
        names = list(islice(given, len(chunk)))
        done = sum(len(part.psnr) for part in parts)
        theirs = None if known is None else known[done : done + len(chunk)]
        if len(names) < len(chunk):
            raise SuiteError(f"there are pictures for more than the {len(prompts)} prompts")
        parts.append(
            _score_chunk(judge, encoder, texts, names, theirs, *map(np.stack, zip(*chunk, strict=True)))
        )
    if not parts or next(given, None) is not None:
        raise SuiteError(f"there are not pictures for all of the {len(prompts)} prompts")
    return Scores(**{field.name: _together(parts, field.name) for field in fields(Scores)})


class _Captions(NamedTuple):
    """The distinct captions of a suite and the judge's features of them."""

    names: list[str]
    features: Features

    def rows(self, prompts: Sequence[str]) -> Indices:
        return np.array([self.names.index(p) for p in prompts], dtype=np.int64)


def _together(parts: Sequence[Scores], name: str) -> Any:
    values = [getattr(part, name) for part in parts]
    return None if values[0] is None else np.concatenate(values)


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


def _score_chunk(
    judge: Judge,
    encoder: Encoder | None,
    captions: _Captions,
    prompts: list[str],
    known: Features | None,
    images: Pictures,
    references: Pictures,
) -> Scores:
    """One chunk: both stacks are (prompts, seeds, h, w, 3)."""
    shape = images.shape[:2]
    ours = images.reshape(-1, *images.shape[2:])
    theirs = references.reshape(-1, *references.shape[2:])
    seen = judge.image_features(ours)
    features = encoder.image_features(ours) if encoder else seen
    same = np.array([[repeated(seeds)] for seeds in images])
    which = np.repeat(captions.rows(prompts), shape[1])
    several = len(captions.names) > 1
    beside = (encoder or judge).image_features(theirs) if known is None else known.reshape(len(ours), -1)
    return Scores(
        psnr=psnr(ours, theirs).reshape(shape),
        ssim=ssim(ours, theirs).reshape(shape),
        distance=feature_distance(features, beside).reshape(shape),
        alignment=alignment(seen, captions.features[which]).reshape(shape),
        broken=broken(ours).any(axis=1).reshape(shape) | same,
        features=features.reshape(*shape, -1),
        colour=mean_colour(ours).reshape(*shape, 3),
        contrast=contrast_drift(ours, theirs).reshape(shape),
        detail=detail_drift(ours, theirs).reshape(shape),
        named=named(seen, captions.features, which).reshape(shape) if several else None,
    )
