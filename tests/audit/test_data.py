"""Training data comes back as it was written, and data of another judge or damaged data does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from burnish.audit.data import (
    FEATURES,
    ITEMS,
    MATCHED,
    SHEET,
    Item,
    Matched,
    TrainingData,
    read_data,
    read_matched,
    write_data,
    write_matched,
)
from burnish.core.errors import SuiteError
from burnish.measure.judge import Judge, open_judge
from tests.measure.conftest import draw_icons

MODELS = Path(__file__).parents[2] / "src" / "burnish" / "models"


@pytest.fixture(scope="module")
def icons_judge() -> Judge:
    """The judge that the icons model brings."""
    return open_judge(MODELS / "icons-judge")


def some_data(judge: Judge) -> TrainingData:
    """Four items, two held out, of one concept."""
    items = (
        Item(concept="cook", tone="dark skin tone", style="noto", source="noto"),
        Item(concept="fox"),
        Item(concept="owl", tone="light skin tone", trained=False),
        Item(concept="owl", trained=False),
    )
    features = judge.image_features(draw_icons(4))
    return TrainingData(name="some", judge=judge.digest, features=features, items=items)


def test_data_comes_back(judge: Judge, tmp_path: Path) -> None:
    """Items as they were, features to half precision, parted into trained and held out."""
    made = some_data(judge)
    write_data(tmp_path, made)
    found = read_data(tmp_path, judge)
    assert (found.name, found.judge, found.items) == ("some", judge.digest, made.items)
    assert found.features == pytest.approx(made.features, abs=5e-4)
    assert [i.concept for i in found.items_of(trained=True)] == ["cook", "fox"]
    assert np.array_equal(found.features_of(trained=False), found.features[2:])
    assert found.items[0].forms == ("cook, dark skin tone", "cook, dark skin tone, noto style")


def test_variants_of_a_concept_calibrate_once(judge: Judge) -> None:
    """Skin tones of one held-out concept are not independent; two concepts do not calibrate anything."""
    data = some_data(judge)
    assert [i.tone for i in data.independent()] == ["light skin tone"]
    assert data.independent_features().shape == (1, judge.dimension)
    assert not data.calibrates


def test_features_of_another_judge_are_refused(judge: Judge, icons_judge: Judge, tmp_path: Path) -> None:
    """Distances between two judges' features mean nothing."""
    write_data(tmp_path, some_data(judge))
    with pytest.raises(SuiteError, match="are of another judge than icons-judge"):
        read_data(tmp_path, icons_judge)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (FEATURES, b"", "holds no training data"),
        (FEATURES, b"\xff" * 100, "holds no training data"),
        (ITEMS, b'{"concept": "a"}\n', r"features \(4, 8\) for 1 items"),
        (ITEMS, b'{"concept": 3}\n' * 4, "holds no training data"),
        (ITEMS, b"[1]\n" * 4, "Input should be an object"),
        (ITEMS, b"\xff\n", "holds no training data"),
    ],
)
def test_damaged_data_is_refused(judge: Judge, tmp_path: Path, file: str, content: bytes, words: str) -> None:
    """What cannot be what was written raises SuiteError that says where."""
    write_data(tmp_path, some_data(judge))
    (tmp_path / file).write_bytes(content)
    with pytest.raises(SuiteError, match=words):
        read_data(tmp_path, judge)


def test_features_that_are_not_finite_are_refused(judge: Judge, tmp_path: Path) -> None:
    """A NaN would be nearest to nothing and raise no alarm."""
    data = some_data(judge)
    data.features[0, 0] = np.nan
    write_data(tmp_path, data)
    with pytest.raises(SuiteError, match="not finite"):
        read_data(tmp_path, judge)


def test_matched_pictures_come_back_pixel_by_pixel(tmp_path: Path) -> None:
    """Forty matches through one PNG; a sheet that holds another number is refused."""
    icons = draw_icons(80, side=16)
    captions = tuple(map(str, range(40)))
    made = Matched(
        trained=icons[:40], held_out=icons[40:], trained_captions=captions, held_out_captions=captions[::-1]
    )
    write_matched(tmp_path, made)
    found = read_matched(tmp_path)
    assert np.array_equal(found.trained, made.trained)
    assert np.array_equal(found.held_out, made.held_out)
    assert (found.trained_captions, found.held_out_captions) == (captions, captions[::-1])
    lines = (tmp_path / MATCHED).read_text().splitlines()
    (tmp_path / MATCHED).write_text("\n".join(lines[:21]))
    with pytest.raises(SuiteError, match="does not hold 21 pictures"):
        read_matched(tmp_path)
    (tmp_path / SHEET).write_bytes(b"no picture")
    with pytest.raises(SuiteError, match="holds no matched pictures"):
        read_matched(tmp_path)


def test_the_shipped_data_is_the_icons_judges(icons_judge: Judge) -> None:
    """The judge sees in each matched picture what is stored for an item of that caption and side."""
    data, matched = read_data(MODELS / "icons-audit", icons_judge), read_matched(MODELS / "icons-audit")
    assert data.calibrates
    assert {i.source for i in data.items} == {
        "fluent-emoji-flat", "fluent-emoji", "flat-color-icons", "noto", "noto-v1", "fxemoji",
    }  # fmt: skip
    for trained, pictures, captions in (
        (True, matched.trained, matched.trained_captions),
        (False, matched.held_out, matched.held_out_captions),
    ):
        assert len(set(captions)) == len(captions) == 100
        known = data.features_of(trained=trained)
        forms = np.array([item.forms[-1] for item in data.items_of(trained=trained)])
        for feature, caption in zip(icons_judge.image_features(pictures), captions, strict=True):
            assert (known[forms == caption] @ feature).max() > 0.999
