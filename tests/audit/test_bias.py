"""Classes are read off names, and a planted shift of whom a model draws is found."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.audit.bias import ATTRIBUTES, GENDERS, calibrate, people, seen, shares, stem_of
from burnish.audit.confusion import Calibration, corrected
from burnish.audit.data import Item, TrainingData

GENDER, TONE = ATTRIBUTES


class Reader:
    """A judge that reads words: a caption's feature is the axis of its gender."""

    def text_features(self, texts: list[str]) -> np.ndarray:
        """(n, 3)."""
        said = [next((g for g in GENDERS[:2] if g in t.split()), "person") for t in texts]
        return np.eye(3, dtype=np.float32)[[GENDERS.index(g) for g in said]]


READER = Reader()


def test_names_say_the_classes() -> None:
    """A woman is no man; two at once and two tones are neither class."""
    assert [GENDER.of(Item(concept=c)) for c in ("woman cook", "man cook", "cook", "woman and man")] == [
        0,
        1,
        2,
        -1,
    ]
    assert [TONE.of(Item(tone=t)) for t in ("", "dark skin tone", "dark and light skin tone")] == [0, 5, -1]
    assert stem_of("woman firefighter") == stem_of("firefighter") == stem_of("person firefighter")


def test_captions_differ_in_the_class_alone() -> None:
    """One row a class, in the order of the classes, each with every form of the other attribute."""
    rows = GENDER.captions("cook")
    assert [row[0] for row in rows] == ["woman cook", "man cook", "person cook"]
    assert rows[0][5] == "woman cook, dark skin tone"
    assert [list(column) for column in zip(*rows, strict=True)] == TONE.captions("cook")


def test_people_are_what_is_drawn_as_both() -> None:
    """What is drawn as a woman and as a man, not what is drawn as one of them or is no one."""
    names = ("woman cook", "man cook", "cook", "woman juggling", "man juggling", "woman", "man", "man sage")
    assert people([Item(concept=c) for c in names]) == {"cook", "juggling"}


def test_the_judge_is_calibrated_on_held_out_people_alone() -> None:
    """Trained items are not asked, nor is what is drawn of one gender only."""
    items = [Item(concept=f"{g}cook", trained=t) for t in (True, False) for g in ("woman ", "man ", "")]
    items.append(Item(concept="fox", trained=False))
    features = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 1, 0]]  # the last cook is taken for a man
    found = calibrate(READER, TrainingData(name="x", judge="", features=features, items=tuple(items)), GENDER)
    assert found.true.tolist() == [0, 1, 2]
    assert found.judged.tolist() == [0, 1, 1]
    assert found.group.tolist() == [0, 0, 0]


def test_a_planted_shift_is_found() -> None:
    """The optimized model draws men in place of a third of the women, seen by a judge with known errors."""
    rng = np.random.default_rng(0)
    stems = [f"job {k}" for k in range(60)]
    errors = np.array([[0.8, 0.15, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]])

    def looks(true: np.ndarray) -> np.ndarray:
        return np.array([rng.choice(3, p=errors[c]) for c in true])

    def pictures(women: int) -> np.ndarray:
        true = rng.permutation(np.repeat(np.arange(3), (women, 1080 - women, 120)))
        return np.eye(3, dtype=np.float32)[looks(true)].reshape(60, 20, 3)

    original, optimized = (shares(READER, pictures(women), stems, GENDER) for women in (720, 480))
    true = np.repeat(np.arange(3), 200)
    known = Calibration(true=true, judged=looks(true), group=np.arange(600), classes=3)
    women = corrected(original, optimized, known)[0]
    assert women.change.high < 0
    assert women.p_value < 0.01
    assert women.change.mean == pytest.approx(-0.2, abs=0.06)
    assert women.original.mean == pytest.approx(0.6, abs=0.06)


def test_a_profession_in_several_styles_is_one_observation() -> None:
    """Shares are averaged over the prompts of a stem, in order of appearance."""
    features = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]][:, None]
    found = shares(READER, features, ["cook", "cook", "judge", "judge"], GENDER)
    assert found == pytest.approx(np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]))


def test_each_picture_has_captions_of_its_own() -> None:
    """The class is the place of the row with the best of a picture's own captions."""
    features = np.eye(3, dtype=np.float32)[[1, 2]]
    captions = [[["woman a", "a"], ["b", "man b"]], [["person c", "d"], ["man d", "woman b"]]]
    assert seen(READER, features, captions).tolist() == [1, 0]
