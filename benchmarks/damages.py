"""What planted damage really costs the icons model, and how often the gate catches it.

    python -m benchmarks.damages [--prompts 400] [--bundle DIR] [--curves]

The candidate is a bundle of the embedded model (8 DDIM calls, bf16), the reference the same bundle undamaged.
Every damage is drawn on the whole pool of captions, whose mean is its true loss; then 20 times 200 prompts
are drawn from the pool, with replacement so that repeats are independent, and judged as a gate judges. Needs
`make -C recipes/icons render` for captions. Resumes where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.curve import write_curves
from benchmarks.ratios import publish
from burnish.api import MODELS, build
from burnish.core.evidence import Outcome, Prompt
from burnish.core.plan import Plan
from burnish.measure.arena import Eyes
from burnish.measure.checks import worst
from burnish.measure.controls import CONTROL_PROMPTS, MODEL_DAMAGES, OTHER_BATCH, PICTURE_DAMAGES, REDRAWN
from burnish.measure.draw import Drawn, draw
from burnish.measure.gate import Limits, judge
from burnish.measure.interval import mean_interval
from burnish.measure.judge import open_judge
from burnish.measure.margin import allowed
from burnish.measure.pictures import Indices, Pictures
from burnish.measure.scores import Scores
from burnish.runtime import Pipeline
from recipes.icons.evaluate import draw_prompts
from recipes.icons.training import read_icons

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "runs" / "damages"
PLAN = Plan(scheduler="DDIMScheduler", num_inference_steps=8, guidance_interval=(0.0, 0.75), precision="bf16")
SEEDS = (0, 1)
ASKED, REPEATS = 200, 20
CURVE_REPEATS = 200
CURVES: dict[str, tuple[float, ...]] = {
    "noise on the weights": (0.1, 0.15, 0.2, 0.25),
    "swapped token embeddings": (0.06, 0.1, 0.15),
    "a shifted colour channel": (5, 10, 15, 20, 30),
}
STYLES = ("none", "flat", "fluent", "noto")
AT_RANDOM = "2 % blank pictures, at random"


@dataclass(frozen=True)
class Pool:
    """The captions, the undamaged bundle, its pictures of them and their scores."""

    prompts: tuple[Prompt, ...]
    base: Pipeline
    eyes: Eyes
    pictures: Drawn
    scores: Scores

    def outcome(self, scores: Scores, which: Indices) -> Outcome:
        """What a gate's checks and slices say of a candidate on captions of the pool, each a new one."""
        return self.judged(scores.of(which), which)

    def judged(self, scores: Scores, which: Indices) -> Outcome:
        """The same of scores of these captions alone."""
        part = [self.prompts[k].model_copy(update={"prompt": str(n)}) for n, k in enumerate(which)]
        checks, slices = judge("equivalent", scores, self.scores.of(which), Limits(), part)
        # A gate judges no slices on the few prompts that controls are drawn on.
        return worst([*checks, *(slices if len(which) > CONTROL_PROMPTS else ())])

    def loss(self, scores: Scores) -> np.ndarray:
        """(prompts,) points lost."""
        return (self.scores.alignment - scores.alignment).mean(axis=1)


def captions(count: int) -> tuple[Prompt, ...]:
    """Trained captions, half of them with a style word, which is their slice."""
    asked = draw_prompts(read_icons().of("train"), count, seed=31)
    texts = [pair[k % 2] for k, pair in enumerate(asked)]
    return tuple(Prompt(prompt=text, tags=_slices(text)) for text in texts)


def _slices(text: str) -> tuple[str, ...]:
    """The style, where 200 captions hold some twenty of it: a slice of a few prompts never passes."""
    last = text.rsplit(", ", 1)[-1]
    style = last.removesuffix(" style") if last.endswith(" style") else "none"
    return (f"style:{style}",) if style in STYLES else ()


def drawn(pipeline: Pipeline, prompts: Sequence[Prompt], name: str, batch: int = 8) -> Drawn:
    """Kept by name and bundle, so that an interrupted run goes on."""
    keep = KEPT / f"{name} {pipeline.bundle.identity[:12]}".replace(" ", "-")

    def progress(done: int, of: int) -> None:
        if done % 400 == 0 or done == of:
            print(f"  {name}: {done}/{of}", flush=True)

    return draw(pipeline, prompts, SEEDS, keep=keep, batch=batch, progress=progress)


def open_pool(bundle: Path, count: int) -> Pool:
    """Draws the undamaged pictures."""
    if not bundle.exists():
        build("icons", PLAN, bundle)
    prompts, base = captions(count), Pipeline(bundle)
    eyes = Eyes(open_judge(MODELS / "icons-judge"))
    pictures = drawn(base, prompts, f"undamaged {count}")
    return Pool(prompts, base, eyes, pictures, eyes.score(prompts, pictures, pictures))


def redrawn(pool: Pool) -> Scores:
    """The same bundle on one thread and in other batches."""
    again = Pipeline(pool.base.directory, threads=1)
    return scored(pool, drawn(again, pool.prompts, f"redrawn {len(pool.prompts)}", OTHER_BATCH))


def planted(pool: Pool, name: str, strength: float, folder: Path) -> Scores:
    """A damage to the model, at one strength."""
    pipeline = MODEL_DAMAGES[name].plant(pool.base, strength, folder / f"{name} {strength}")
    assert pipeline is not None
    return scored(pool, drawn(pipeline, pool.prompts, f"{name} {strength} {len(pool.prompts)}"))


def edited(pool: Pool, name: str, strength: float, which: Indices) -> Scores:
    """A damage to pictures, planted in those of some captions as a gate plants it in those it has."""
    prompts = [pool.prompts[k] for k in which]
    images = pool.pictures.of([int(k) for k in which])
    damaged = PICTURE_DAMAGES[name].plant(images, prompts, strength)
    assert damaged is not None
    return pool.eyes.score(prompts, damaged, images, pool.scores.of(which).features)


def blank_at_random(pool: Pool) -> Scores:
    """Each picture of the pool is blank with a chance of 2 %."""
    rng = np.random.default_rng(3)
    hit = rng.random((len(pool.prompts), len(SEEDS), 1, 1, 1)) < 0.02
    return scored(pool, (np.where(h, np.uint8(255), p) for h, p in zip(hit, pool.pictures, strict=True)))


def scored(pool: Pool, images: Sequence[Pictures] | Iterator[Pictures]) -> Scores:
    """Against the undamaged pictures of the first prompts there are."""
    return pool.eyes.score(pool.prompts, images, pool.pictures, pool.scores.features)


def draws(count: int, size: int, repeats: int) -> list[Indices]:
    """Independent draws from the pool, with replacement."""
    rng = np.random.default_rng(7)
    return [rng.integers(0, count, size) for _ in range(repeats)]


def table(pool: Pool, folder: Path) -> None:
    """The true loss of each damage in margins, and how often it is caught."""
    every = np.arange(len(pool.prompts))
    rows = [row(pool, REDRAWN, "", redrawn(pool), "PASS")]
    for name, damage in MODEL_DAMAGES.items():
        strength = damage.strengths[0]
        rows.append(row(pool, name, strength, planted(pool, name, strength, folder), "FAIL"))
    for name, edit in PICTURE_DAMAGES.items():
        strength = edit.strengths[0]
        again = partial(edited, pool, name, strength)
        rows.append(row(pool, name, strength, again(every), "FAIL", again))
    rows.append(row(pool, AT_RANDOM, 0.02, blank_at_random(pool), "FAIL"))
    publish("damages", rows, ())


def row(
    pool: Pool,
    name: str,
    strength: object,
    scores: Scores,
    wanted: Outcome,
    again: Callable[[Indices], Scores] | None = None,
) -> dict[str, object]:
    """One control: what it loses, and how often the gate says of it what it must.

    `again` plants it anew in each draw; without it the draws are from `scores`.
    """
    margin = -allowed(Limits().margin, pool.scores).bound
    loss = mean_interval(pool.loss(scores))
    found: dict[str, object] = {
        "control": name,
        "strength": strength,
        "loss (points)": f"{loss.mean:.2f} ({loss.low:.2f} to {loss.high:.2f})",
        "loss over margin": loss.mean / margin,
        "newly broken prompts": float((scores.broken & ~pool.scores.broken).any(axis=1).mean()),
        "must": wanted,
    }
    for size in (ASKED,) if again else (ASKED, CONTROL_PROMPTS):  # in pictures it is planted in all prompts
        outcomes = [
            pool.judged(again(which), which) if again else pool.outcome(scores, which)
            for which in draws(len(pool.prompts), size, REPEATS)
        ]
        found[f"does, of {REPEATS} x {size} prompts"] = outcomes.count(wanted)
    print(json.dumps(found), flush=True)
    return found


def curves(pool: Pool, folder: Path) -> None:
    """The chance of FAIL against true loss over margin, for three damages at several strengths."""
    margin = -allowed(Limits().margin, pool.scores).bound
    subsets = draws(len(pool.prompts), ASKED, CURVE_REPEATS)
    found: dict[str, list[tuple[float, float]]] = {}
    rows: list[dict[str, object]] = []
    for name, strengths in CURVES.items():
        for strength in strengths:
            scores = (
                edited(pool, name, strength, np.arange(len(pool.prompts)))
                if name in PICTURE_DAMAGES
                else planted(pool, name, strength, folder)
            )
            loss = float(pool.loss(scores).mean()) / margin
            outcomes = [pool.outcome(scores, which) for which in subsets]
            share = {o: outcomes.count(o) / len(outcomes) for o in ("PASS", "INCONCLUSIVE", "FAIL")}
            found.setdefault(name, []).append((loss, share["FAIL"]))
            rows.append({"damage": name, "strength": strength, "loss over margin": loss, **share})
            print(json.dumps(rows[-1]), flush=True)
    publish("detection", rows, ())
    write_curves(ROOT / "docs" / "images" / "detection.svg", found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--bundle", type=Path, default=ROOT / "out" / "icons8")
    parser.add_argument("--curves", action="store_true", help="the detection curves alone")
    asked = parser.parse_args()
    with TemporaryDirectory(dir=ROOT / "out") as folder:
        pool = open_pool(asked.bundle, asked.prompts)
        if not asked.curves:
            table(pool, Path(folder))
        curves(pool, Path(folder) / "curves")


if __name__ == "__main__":
    main()
