"""Somebody's own pictures are indexed, and hostile ones are refused by name."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from burnish.audit.folder import read_folder
from burnish.core.errors import SuiteError
from burnish.measure.judge import Judge
from tests.audit.conftest import write_folder


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says it has 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_folder_is_indexed(judge: Judge, tmp_path: Path) -> None:
    """Features are the judge's of each picture; held-out ones and captions are told apart."""
    icons = write_folder(tmp_path, trained=3, held_out=2)
    data = read_folder(tmp_path, judge)
    assert data.features == pytest.approx(judge.image_features(icons), abs=1e-5)
    assert [i.trained for i in data.items] == [True, True, True, False, False]
    assert data.items[1].caption == "b a"


def test_captions_and_a_held_out_part_are_optional(judge: Judge, tmp_path: Path) -> None:
    """Pictures alone are an index without captions, in which nothing is held out."""
    Image.new("L", (40, 50), 7).save(tmp_path / "a.jpg")
    data = read_folder(tmp_path, judge)
    assert [(i.caption, i.trained) for i in data.items] == [("", True)]
    assert not data.calibrates


def test_transparent_parts_are_white(judge: Judge, tmp_path: Path) -> None:
    """A picture with nothing on it looks like a white one, whatever colour lies under."""
    Image.new("RGBA", (32, 32), (200, 0, 0, 0)).save(tmp_path / "a.png")
    white = np.full((1, 32, 32, 3), 255, dtype=np.uint8)
    assert read_folder(tmp_path, judge).features == pytest.approx(judge.image_features(white))


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


HOSTILE = {
    "a bomb": (bomb, "b.png is no picture to compare with"),
    "text": (lambda path: path.write_text("hello"), "b.png is no picture to compare with"),
    "an odd mode": (
        lambda path: Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(path),
        "its mode is I;16",
    ),
    "a link": (_link, "it is no plain file"),
    "a folder": (Path.mkdir, "it is no plain file"),
    "a GIF in disguise": (lambda path: Image.new("L", (8, 8)).save(path, format="GIF"), "is no picture"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pictures_are_refused_by_name(judge: Judge, tmp_path: Path, name: str) -> None:
    """One bad file among good ones is named, and nothing of it is decoded."""
    write, words = HOSTILE[name]
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    write(tmp_path / "b.png")  # type: ignore[operator]
    with pytest.raises(SuiteError, match=words):
        read_folder(tmp_path, judge)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "is not read"),
        ("[]", "is not read"),
        (json.dumps({"file_name": "a.png"}), "line 1 has no file_name and text"),
        (json.dumps({"file_name": "../a.png", "text": "x"}), "names '../a.png', which is not there"),
    ],
)
def test_a_wrong_captions_file_is_refused(judge: Judge, tmp_path: Path, line: str, words: str) -> None:
    """The line, or the picture that there is not, is named."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text(line)
    with pytest.raises(SuiteError, match=words):
        read_folder(tmp_path, judge)


def test_no_folder_and_an_empty_one_are_refused(judge: Judge, tmp_path: Path) -> None:
    """Neither is training data."""
    for path, words in ((tmp_path / "none", "is not a directory"), (tmp_path, "holds no pictures")):
        with pytest.raises(SuiteError, match=words):
            read_folder(path, judge)
