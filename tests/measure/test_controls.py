"""Planted damage: on a real bundle, in pictures, and what the gate makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.measure.arena import Arena, Eyes, make_arena
from burnish.measure.controls import CONTROL_PROMPTS, MODEL_DAMAGES, armed, model_controls, spread
from burnish.measure.graph_damage import damaged, int4_activations, noise_weights, swap_tokens, zero_block
from burnish.measure.judge import Judge
from burnish.measure.picture_damage import broken_slice, shifted_channel, some_blank
from burnish.runtime import Pipeline
from tests.conftest import DDPM, SD, Bundles, asked

SUITE = Suite(
    name="letters",
    selection=(Prompt(prompt="z"),),
    confirmation=tuple(Prompt(prompt=c, tags=("first",) if c < "c" else ()) for c in "abcdefgh"),
    seeds=(0, 1),
)
EDITS = {
    "zeroed": ("denoiser", zero_block, 0.5),
    "noisy": ("denoiser", noise_weights, 0.5),
    "int4": ("denoiser", int4_activations, 1.0),
    "swapped": ("text_encoder", swap_tokens, 1.0),
}


@pytest.mark.parametrize("edit", EDITS, ids=EDITS)
def test_a_damaged_bundle_is_a_bundle_that_draws_something_else(
    edit: str, bundle: Bundles, tmp_path: Path
) -> None:
    """It opens with every digest checked, is another bundle by name, and its pictures differ."""
    role, change, strength = EDITS[edit]
    damaged(bundle(SD), tmp_path / "damaged", role, change, strength)
    ours, theirs = Pipeline(bundle(SD)), Pipeline(tmp_path / "damaged")
    assert ours.bundle.identity != theirs.bundle.identity
    assert not np.array_equal(ours.generate(asked(SD)), theirs.generate(asked(SD)))


def test_the_source_of_a_damaged_bundle_stays_whole(bundle: Bundles, tmp_path: Path) -> None:
    """Files are linked where they stay the same, and only the copy's are written."""
    before = Bundle.read(bundle(SD) / MANIFEST)
    damaged(bundle(SD), tmp_path / "damaged", "denoiser", zero_block, 1.0)
    Pipeline(bundle(SD), verify=True)
    after = Bundle.read(tmp_path / "damaged" / MANIFEST)
    changed = {name for name, digest in after.files.items() if before.files[name] != digest}
    assert changed <= {"denoiser.xml", "denoiser.bin"}
    assert changed


def test_a_whole_block_of_zeros_is_zero(bundle: Bundles) -> None:
    """At full strength every layer's weights are zero; at a tenth, a tenth of the layers."""
    path = bundle(SD) / "denoiser.xml"

    def zeros(strength: float) -> tuple[int, int]:
        graph = ov.Core().read_model(path)
        zero_block(graph, strength)
        layers = [o for o in graph.get_ordered_ops() if o.get_type_name() in ("Convolution", "MatMul")]
        constants = [c for c in (_constant(o) for o in layers) if c is not None]
        return sum(not c.data.any() for c in constants), len(constants)

    assert zeros(1.0)[0] == zeros(1.0)[1]
    zeroed, layers = zeros(0.1)
    assert zeroed == max(1, round(0.1 * layers))


def _constant(op: ov.Node) -> ov.Node | None:
    node = op.input_value(1).get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def test_a_damage_without_its_part_of_the_model_is_refused(bundle: Bundles, tmp_path: Path) -> None:
    """A model that reads no text has no tokens to swap, and its control is left out."""
    with pytest.raises(SuiteError, match="no text_encoder"):
        damaged(bundle(DDPM), tmp_path / "damaged", "text_encoder", swap_tokens, 1.0)
    pipeline = Pipeline(bundle(DDPM))
    left_out = [n for n, d in MODEL_DAMAGES.items() if d.plant(pipeline, 1.0, tmp_path / n) is None]
    assert {"guidance off", "swapped token embeddings"} <= set(left_out)


def test_blank_pictures_are_as_many_as_said(icons: np.ndarray) -> None:
    """2 % of the pictures, in as many prompts."""
    pictures = icons[:8].reshape(4, 2, 64, 64, 3)
    many = [pictures[k % 4] for k in range(200)]
    blank = [(p == 255).all(axis=(1, 2, 3)).sum() for p in some_blank(many, (), 0.02)]
    assert sum(blank) == 8
    assert max(blank) == 1


def test_a_shifted_channel_leaves_the_others_alone(icons: np.ndarray) -> None:
    """Red is lower by so many levels, cut off at zero; green and blue are as they were."""
    before = [icons[:2]]
    (after,) = shifted_channel(before, (), 30)
    assert (after[..., 1:] == icons[:2, ..., 1:]).all()
    assert (after[..., 0] == np.maximum(icons[:2, ..., 0].astype(int) - 30, 0)).all()


def test_a_broken_slice_is_broken_and_the_rest_is_whole(icons: np.ndarray) -> None:
    """The largest slice of at most a quarter gets pictures from outside; without one nothing is damaged."""
    prompts = [Prompt(prompt=str(k), tags=("all", *(["few"] if k < 9 else []))) for k in range(40)]
    images = [icons[k : k + 1] for k in range(40)]
    broken = list(broken_slice(images, prompts, 1.0) or ())
    same = [np.array_equal(a, b) for a, b in zip(broken, images, strict=True)]
    assert same == [False] * 9 + [True] * 31
    assert all(any(np.array_equal(b, images[j]) for j in range(9, 40)) for b in broken[:9])
    assert broken_slice(images[:12], [Prompt(prompt=str(k)) for k in range(12)], 1.0) is None


def test_controls_are_drawn_on_prompts_of_different_units() -> None:
    """Variants of one prompt count once, and where there are many prompts the chosen are spread over them."""
    variants = [Prompt(prompt=f"{k} {v}", variant_of=str(k)) for k in range(10) for v in range(3)]
    assert spread(variants).tolist() == list(range(0, 30, 3))
    many = spread([Prompt(prompt=str(k)) for k in range(1000)])
    assert (len(many), many[0], many[-1]) == (CONTROL_PROMPTS, 0, 999)


@pytest.fixture
def arena(bundle: Bundles, judge: Judge) -> Arena:
    """A tiny model's pictures of eight prompts."""
    return make_arena(SUITE, "confirmation", Eyes(judge), "faithful", Pipeline(bundle(SD)), lambda *_: None)


def test_the_reference_drawn_again_is_nearly_the_same_and_damage_is_not(arena: Arena) -> None:
    """One thread and other batches move no picture by much; each of seven damages FAILs `faithful`."""
    controls = {c.name: c for c in model_controls(arena, arena.reference, lambda *_: None)}
    names = [name.rsplit(" (", 1)[0] for name in controls]
    assert names == ["the reference on one thread, in other batches", *MODEL_DAMAGES]
    again = next(iter(controls.values()))
    assert again.scores.psnr.min() > 40
    for name, control in list(controls.items())[1:]:
        assert control.expected == "FAIL"
        assert control.scores.psnr.mean() < again.scores.psnr.mean(), name


def test_an_armed_arena_says_what_it_would_have_seen(arena: Arena) -> None:
    """Its verdicts carry planted damage; the strength at which it was seen is in the name."""
    found = armed(arena).verdict(arena.scores)
    names = [c.metric for c in found.controls]
    assert any(n.startswith("blank pictures (") for n in names)
    assert any(n.startswith("a shifted colour channel (") for n in names)


def test_a_part_of_an_arena_is_the_same_arena_on_fewer_prompts(arena: Arena) -> None:
    """Pictures, scores and prompts are cut together, and nothing is drawn again."""
    part = arena.of(np.array([1, 4]))
    assert [p.prompt for p in part.prompts] == ["b", "e"]
    assert np.array_equal(part.pictures[1], arena.pictures[4])
    assert (part.scores.alignment == arena.scores.alignment[[1, 4]]).all()
    assert replace(part, controls=()).checks(part.scores)


@pytest.mark.parametrize("edit", EDITS, ids=EDITS)
def test_the_same_damage_is_the_same_bundle_again(edit: str, bundle: Bundles, tmp_path: Path) -> None:
    """Whatever else a process made before, so that what was drawn for a control is kept for the next gate."""
    role, change, strength = EDITS[edit]
    found = []
    for k in range(2):
        damaged(bundle(SD), tmp_path / str(k), role, change, strength)
        ov.opset13.constant([1.0])  # which moves OpenVINO's numbering on
        found.append(Bundle.read(tmp_path / str(k) / MANIFEST).identity)
    assert found[0] == found[1]
