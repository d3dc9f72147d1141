"""The arena: a reference's pictures and scores on one part of a suite; candidates are judged there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from burnish.core.errors import NotFiniteError
from burnish.core.evidence import Check, Outcome, Prompt, Suite, Verdict
from burnish.core.plan import Floor
from burnish.core.progress import Report as Report
from burnish.measure.checks import worst
from burnish.measure.draw import Drawn, Part, draw, draw_part
from burnish.measure.gate import NOT_FINITE, Control, Limits, discovered_checks, judge, verdict
from burnish.measure.judge import Encoder, Judge
from burnish.measure.margin import Margin
from burnish.measure.pictures import Features, Indices, Pictures
from burnish.measure.scores import Scores, score
from burnish.program.shorten import fewer_calls
from burnish.runtime import Pipeline


class Eyes(NamedTuple):
    """Who looks: the judge, who reads prompts too, and an encoder for distances where that is another one."""

    judge: Judge
    encoder: Encoder | None = None

    def read(self, texts: Sequence[str]) -> Features:
        """The judge's features of texts."""
        return self.judge.text_features(texts)

    def score(
        self,
        prompts: Sequence[Prompt],
        images: Iterable[Pictures],
        references: Iterable[Pictures],
        known: Features | None = None,
    ) -> Scores:
        """Scores of pictures of these prompts against their references', whose features may be `known`."""
        return score(self.judge, [p.meant for p in prompts], images, references, self.encoder, known)


@dataclass(frozen=True, kw_only=True)
class Arena:
    """Everything but the candidate."""

    suite: Suite
    part: Part
    eyes: Eyes
    floor: Floor
    reference: Pipeline
    pictures: Drawn
    scores: Scores
    limits: Limits
    controls: tuple[Control, ...]

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """Those of the part that is judged on."""
        found: tuple[Prompt, ...] = getattr(self.suite, self.part)
        return found

    def judged(
        self, pipeline: Pipeline, count: int | None = None, keep: Path | None = None
    ) -> tuple[Verdict, Sequence[Pictures]]:
        """The verdict on a bundle's pictures of the first `count` prompts, and those it could draw.

        What lies in `keep` is not drawn again, and what is drawn is left there.
        """
        prompts = self.prompts[:count]
        # What confirms is drawn once however often a search is interrupted after it.
        confirms = count is None and self.part == "confirmation"
        try:
            drawn = (
                draw_part(pipeline, self.suite, self.part)
                if confirms
                else draw(pipeline, prompts, self.suite.seeds, keep=keep)
            )
        except NotFiniteError:
            return Verdict(floor=self.floor, outcome="FAIL", checks=(NOT_FINITE,)), []
        known = self.scores.first(count).features
        found = self.eyes.score(prompts, drawn, self.pictures[:count], known)
        if count is None:
            return self.verdict(found), drawn
        few = self.limits.first(count)
        return verdict(self.floor, found, self.scores.first(count), (), few, prompts), drawn

    def score(self, images: Iterable[Pictures]) -> Scores:
        """Scores of pictures of all prompts against the reference's."""
        return self.eyes.score(self.prompts, images, self.pictures, self.scores.features)

    def verdict(self, scores: Scores, controls: Sequence[Control] = ()) -> Verdict:
        """What follows from a candidate's scores; `controls` are its own, beside the arena's."""
        mine = (*self.controls, *controls)
        found = verdict(self.floor, scores, self.scores, mine, self.limits, self.prompts)
        groups = discovered_checks(self.floor, scores, self.scores, self.limits, self.prompts, self.eyes.read)
        return found.model_copy(update={"watched": (*found.watched, *groups)})

    def checks(self, scores: Scores) -> tuple[Check, ...]:
        """What a verdict would stand on, slices included."""
        found, slices = judge(self.floor, scores, self.scores, self.limits, self.prompts)
        return (*found, *slices)

    def outcome(self, scores: Scores) -> Outcome:
        """The worst of the checks, whatever any control says."""
        return worst(self.checks(scores))

    def of(self, which: Indices) -> Arena:
        """The same on some of the prompts, by their numbers: no controls, nor slices of so few."""
        prompts = tuple(self.prompts[k].model_copy(update={"tags": ()}) for k in which)
        return replace(
            self,
            suite=self.suite.model_copy(update={self.part: prompts}),
            pictures=self.pictures.of([int(k) for k in which]),
            scores=self.scores.of(which),
            limits=self.limits.of(which),
            controls=(),
        )


def make_arena(
    suite: Suite,
    part: Part,
    eyes: Eyes,
    floor: Floor,
    reference: Pipeline,
    report: Report,
    margin: Margin | None = None,
) -> Arena:
    """Draws the reference's pictures (what an earlier run drew stays) and scores them; no controls yet.

    `armed` in `burnish.measure.controls` adds them. Raises SuiteError, BundleError.
    """
    prompts: tuple[Prompt, ...] = getattr(suite, part)

    def drawn(pipeline: Pipeline, name: str) -> Drawn:
        def progress(done: int, of: int) -> None:
            report(f"{name} {part} pictures {done}/{of}", done / of)

        return draw_part(pipeline, suite, part, progress)

    pictures = drawn(reference, "original's")
    asked = margin or Margin()
    half = None
    if asked.of == "halved calls":
        program = fewer_calls(reference.program, max(1, reference.program.calls // 2))
        half = eyes.score(prompts, drawn(reference.with_program(program), "halved original's"), pictures)
    return Arena(
        suite=suite,
        part=part,
        eyes=eyes,
        floor=floor,
        reference=reference,
        pictures=pictures,
        scores=eyes.score(prompts, pictures, pictures),
        limits=Limits(margin=asked, halved=half),
        controls=(),
    )
