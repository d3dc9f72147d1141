"""Controls: ten ways in which a change of a model goes wrong unseen, planted, and the reference drawn again.

Assay sensitivity, as in non-inferiority trials (ICH E10, section 1.5): "no difference found" counts only
where a difference would have been found. Each damage is planted at rising strength until the gate says FAIL.
The first is the one at which the icons model loses twice the gate's margin or more, measured on many prompts
by `python -m benchmarks.damages` (docs/controls.md has the table); other models and judges may need more. A
damage that not even the last strength shows is one that this gate does not see, and it gives no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from burnish.core.bundle import Role
from burnish.core.errors import NotFiniteError, SuiteError
from burnish.core.evidence import Prompt
from burnish.core.files import cache_directory
from burnish.measure.arena import Arena, Report
from burnish.measure.draw import BATCH, draw_part
from burnish.measure.gate import Control
from burnish.measure.graph_damage import (
    Edit,
    damaged,
    int4_activations,
    noise_weights,
    swap_tokens,
    zero_block,
)
from burnish.measure.picture_damage import broken_slice, shifted_channel, some_blank
from burnish.measure.pictures import Indices, Pictures
from burnish.measure.units import evenly
from burnish.program.shorten import fewer_calls, stopped, unguided
from burnish.runtime import Pipeline

REDRAWN = "the reference on one thread, in other batches"
OTHER_BATCH = BATCH // 2
CONTROL_PROMPTS = 64  # 59 show that fewer than 5 % break; what is planted is seen on as many

PlantInPictures = Callable[[Sequence[Pictures], Sequence[Prompt], float], Iterator[Pictures] | None]
PlantInModel = Callable[[Pipeline, float, Path], Pipeline | None]


@dataclass(frozen=True)
class PictureDamage:
    """Planted in pictures of the reference, at each of `strengths` in turn."""

    plant: PlantInPictures
    strengths: tuple[float, ...]


@dataclass(frozen=True)
class ModelDamage:
    """`plant(pipeline, strength, folder)` gives the damaged pipeline; None where the damage does not apply.

    What it has to write goes to `folder`, which it makes and which must stay as long as the pipeline is used.
    """

    plant: PlantInModel
    strengths: tuple[float, ...]


def _too_few_calls(pipeline: Pipeline, share: float, folder: Path) -> Pipeline | None:
    program = pipeline.program
    left = max(1, round(share * program.calls))
    if program.stochastic or left == program.calls:
        return None
    return pipeline.with_program(fewer_calls(program, left))


def _early_decoder(pipeline: Pipeline, share: float, folder: Path) -> Pipeline | None:
    calls = pipeline.program.calls
    early = min(calls - 1, max(1, round(share * calls)))
    return pipeline.with_program(stopped(pipeline.program, early)) if early else None


def _guidance_off(pipeline: Pipeline, strength: float, folder: Path) -> Pipeline | None:
    plain = unguided(pipeline.program)
    return None if plain.guidance == pipeline.program.guidance else pipeline.with_program(plain)


def _edited(role: Role, edit: Edit, pipeline: Pipeline, strength: float, folder: Path) -> Pipeline | None:
    if role == "denoiser" and role not in pipeline.graphs:
        role = "deep"  # nearly all of a denoiser that is cut
    if role not in pipeline.graphs:
        return None
    try:
        damaged(pipeline.directory, folder, role, edit, strength)
    except SuiteError:  # the graph has nothing to edit so
        return None
    return Pipeline(folder, verify=False).with_program(pipeline.program)


PICTURE_DAMAGES: Mapping[str, PictureDamage] = {
    "blank pictures": PictureDamage(some_blank, (0.02, 0.05, 0.1)),
    "a shifted colour channel": PictureDamage(shifted_channel, (30, 60, 120, 255)),
    "one broken slice": PictureDamage(broken_slice, (1.0,)),
}
MODEL_DAMAGES: Mapping[str, ModelDamage] = {
    "too few calls": ModelDamage(_too_few_calls, (0.375, 0.25, 0.125)),
    "an early decoder": ModelDamage(_early_decoder, (0.25, 0.5, 0.75)),
    "guidance off": ModelDamage(_guidance_off, (1.0,)),
    "a zeroed block": ModelDamage(partial(_edited, "denoiser", zero_block), (0.5, 0.75, 1.0)),
    "noise on the weights": ModelDamage(partial(_edited, "denoiser", noise_weights), (0.25, 0.5, 1.0)),
    "int4 activations": ModelDamage(partial(_edited, "denoiser", int4_activations), (0.15, 0.5, 1.0)),
    "swapped token embeddings": ModelDamage(partial(_edited, "text_encoder", swap_tokens), (0.15, 0.5, 1.0)),
}


def armed(arena: Arena) -> Arena:
    """The arena with the damages that are planted in its own pictures, so that every verdict has controls."""
    controls: list[Control] = []
    for name, damage in PICTURE_DAMAGES.items():
        planted = ((s, damage.plant(arena.pictures, arena.prompts, s)) for s in damage.strengths)
        found = _first_caught(arena, name, ((s, images) for s, images in planted if images is not None))
        controls += [found] if found else []
    return replace(arena, controls=tuple(controls))


def model_controls(arena: Arena, candidate: Pipeline, report: Report) -> Iterator[Control]:
    """The reference drawn again, which must PASS, then the candidate with each damage, which must FAIL.

    Drawn again on one thread and in other batches: the same model, other sums. Planted in the candidate, a
    damage answers the question at hand: had this change been made so, would this gate have said no? Damage
    that does not apply to the model is left out. Raises SuiteError, BundleError, OSError.
    """
    which = spread(arena.prompts)
    part = arena.of(which)
    again = Pipeline(arena.reference.directory, verify=False, threads=1)
    again = again.with_program(arena.reference.program)
    scores = part.score(drawn(part, again, REDRAWN, report, OTHER_BATCH))
    yield Control(name=REDRAWN, scores=scores, expected="PASS", which=which)
    for name, damage in MODEL_DAMAGES.items():
        with _scratch() as folder:
            planted = _rising(damage, candidate, Path(folder) / name)
            pictures = ((s, drawn(part, pipeline, name, report)) for s, pipeline in planted)
            found = _first_caught(part, name, pictures)
            if found is not None:
                yield replace(found, which=which)


def _scratch() -> TemporaryDirectory[str]:
    """On the disk where bundles' files can be linked; elsewhere where nothing can be written there."""
    try:
        cache_directory().mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=".damaged.", dir=cache_directory())
    except OSError:
        return TemporaryDirectory(prefix="damaged.")


def _rising(damage: ModelDamage, candidate: Pipeline, folder: Path) -> Iterator[tuple[float, Pipeline]]:
    """The candidate with the damage at each strength in turn; none where it does not apply."""
    for strength in damage.strengths:
        pipeline = damage.plant(candidate, strength, folder / f"{strength:g}")
        if pipeline is not None:
            yield strength, pipeline


def drawn(
    arena: Arena, pipeline: Pipeline, name: str, report: Report, batch: int = BATCH
) -> Sequence[Pictures]:
    """What the arena's prompts look like; blank where a model gives no numbers to draw."""

    def progress(done: int, of: int) -> None:
        report(f"{name}: {done}/{of}", done / of)

    try:
        return draw_part(pipeline, arena.suite, arena.part, progress, batch=batch)
    except NotFiniteError:
        return [np.full_like(pictures, 255) for pictures in arena.pictures]


def _first_caught(
    arena: Arena, name: str, planted: Iterable[tuple[float, Iterable[Pictures]]]
) -> Control | None:
    """The control at the first strength that the gate FAILs, or at the last; None where none applies."""
    control = None
    for strength, images in planted:
        scores = arena.score(images)
        control = Control(name=f"{name} ({strength:g})", scores=scores, expected="FAIL")
        if arena.outcome(scores) == "FAIL":
            break
    return control


def spread(prompts: Sequence[Prompt], count: int = CONTROL_PROMPTS) -> Indices:
    """The numbers of `count` prompts of different units, evenly spread; of all where there are fewer."""
    first = np.sort(np.unique([p.unit for p in prompts], return_index=True)[1])
    return first[evenly(len(first), count)]
