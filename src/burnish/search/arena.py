"""Where plans are judged: a reference's pictures and scores on one part of a suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burnish.core.errors import NotFiniteError
from burnish.core.evidence import Suite, Verdict
from burnish.core.plan import Floor
from burnish.measure.controls import Control, planted
from burnish.measure.draw import Part, draw, draw_part
from burnish.measure.gate import NOT_FINITE, verdict
from burnish.measure.judge import Judge
from burnish.measure.pictures import Pictures
from burnish.measure.scores import Scores, score
from burnish.runtime import Pipeline

Report = Callable[[str, float], None]  # what is being done, fraction done


@dataclass(frozen=True, kw_only=True)
class Arena:
    """A reference's pictures and scores on one part of a suite, against which plans are judged."""

    suite: Suite
    part: Part
    judge: Judge
    floor: Floor
    pictures: list[Pictures]
    scores: Scores
    controls: tuple[Control, ...]

    def judged(
        self, pipeline: Pipeline, count: int | None = None, keep: Path | None = None
    ) -> tuple[Verdict, list[Pictures]]:
        """The verdict on a bundle's pictures of the first `count` prompts, and those it could draw.

        What lies in `keep` is not drawn again, and what is drawn is left there.
        """
        prompts = getattr(self.suite, self.part)[:count]
        texts = [p.prompt for p in prompts]
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
        found = score(self.judge, texts, drawn, self.pictures[:count])
        if count is None:
            return verdict(self.floor, found, self.scores, self.controls), drawn
        return verdict(self.floor, found, self.scores.first(count)), drawn


def make_arena(
    suite: Suite, part: Part, judge: Judge, floor: Floor, reference: Pipeline, report: Report
) -> Arena:
    """Draws the reference's pictures (what an earlier run drew stays) and scores them and the controls."""
    texts = [p.prompt for p in getattr(suite, part)]
    pictures = draw_part(
        reference,
        suite,
        part,
        lambda done, of: report(f"original's {part} pictures {done}/{of}", done / of),
    )
    return Arena(
        suite=suite,
        part=part,
        judge=judge,
        floor=floor,
        pictures=pictures,
        scores=score(judge, texts, pictures, pictures),
        controls=planted(judge, texts, pictures),
    )
