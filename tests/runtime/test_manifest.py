"""A bundle is opened only when every file it names lies in it, unaltered."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError
from burnish.core.files import digest
from burnish.runtime import Pipeline
from burnish.runtime.manifest import open_manifest
from tests.conftest import SD, Bundles, asked
from tests.runtime.damage import Damage, edit


def _flip(name: str) -> Damage:
    def damage(directory: Path) -> None:
        data = bytearray((directory / name).read_bytes())
        data[len(data) // 2] ^= 1
        (directory / name).write_bytes(data)

    return damage


def _link_out(directory: Path) -> None:
    outside = directory.parent / "outside.json"
    shutil.move(directory / "program.json", outside)
    (directory / "program.json").symlink_to(outside)


FILES = ("denoiser.xml", "denoiser.bin", "decoder.bin", "program.json", "starts.json", "tokenizer.json")
DAMAGED: dict[str, tuple[Damage, str]] = {
    **{f"{name} altered": (_flip(name), f"{name} does not match its digest") for name in FILES},
    **{f"{name} missing": (lambda d, n=name: (d / n).unlink(), f"{name} is missing") for name in FILES},
    **{
        f"{name} unlisted": (edit(lambda data, n=name: data["files"].pop(n)), f"{name} has no digest")
        for name in FILES
    },
    "no manifest": (lambda d: (d / MANIFEST).unlink(), "is no bundle"),
    "half a manifest": (lambda d: (d / MANIFEST).write_text((d / MANIFEST).read_text()[:99]), "not JSON"),
    "another version": (edit(lambda data: data.update(schema_version=9)), "schema version 9"),
    "unknown field": (edit(lambda data: data.update(magic=1)), "magic"),
    "a file above": (edit(lambda data: data["files"].update({"../x": "0"})), "'../x', which lies outside"),
    "a file anywhere": (
        edit(lambda data: data["files"].update({"/etc/passwd": "0"})),
        "'/etc/passwd', which lies outside",
    ),
    "a link out": (_link_out, "'program.json', which lies outside"),
    "program above": (edit(lambda data: data.update(program="../program.json")), "../program.json has no"),
    "graph elsewhere": (edit(lambda data: data["graphs"][0].update(file="d.xml")), "d.bin has no digest"),
    "a name of no file": (edit(lambda data: data["files"].update({"a\0b": "0"})), "which is no file"),
    "a folder as file": (edit(lambda data: data["files"].update({".": "0"})), "is missing"),
    "no denoiser": (
        edit(lambda data: data.update(graphs=[g for g in data["graphs"] if g["role"] != "denoiser"])),
        "has no denoiser",
    ),
    "no tokenizer": (
        edit(lambda data: data.update(tokenizers=[])),
        "text_encoder takes 'input_ids', which nothing before it gives",
    ),
    "a file among the evidence": (
        edit(lambda data: data["evidence"].update({"program.json": "0" * 64})),
        "'program.json' is among files and evidence",
    ),
    "no image encoder": (edit(lambda data: data["graphs"].pop()), "has no image_encoder"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_bundle_is_refused(name: str, copied: Bundles) -> None:
    """Altered, missing, escaping, unlisted: the error names the file, or the part that lacks."""
    damage, words = DAMAGED[name]
    directory = copied(SD)
    damage(directory)
    with pytest.raises(BundleError, match=words.replace(".", r"\.")):
        Pipeline(directory)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    """An empty directory, a file and nothing at all are no bundles, and the error says how one is made."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "nothing"):
        with pytest.raises(BundleError, match=f"{path} is no bundle.*burnish optimize"):
            open_manifest(path)


def test_a_bundle_can_be_moved_and_be_read_only(copied: Bundles, pipeline: Pipeline) -> None:
    """Pictures are the same after the directory was moved and made read-only."""
    directory = copied(SD)
    moved = Path(shutil.move(directory, directory.with_name("moved")))
    for path in (*moved.iterdir(), moved):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert np.array_equal(Pipeline(moved).generate(asked(SD)), pipeline.generate(asked(SD)))
    finally:
        moved.chmod(0o755)


def test_what_is_kept_of_one_bundle_is_not_taken_for_another(copied: Bundles, pipeline: Pipeline) -> None:
    """Compiled graphs are cached between processes; one weight that differs is another graph."""
    before = pipeline.generate(asked(SD))
    directory = copied(SD)
    path = directory / "denoiser.bin"
    weights = np.fromfile(path, dtype=np.float32)
    usual = np.flatnonzero((np.abs(weights) < 0.5) & (np.abs(weights) > 1e-3))
    weights[usual[len(usual) // 2]] += 100
    path.unlink()
    weights.tofile(path)
    manifest = Bundle.read(directory / MANIFEST)
    files = manifest.files | {path.name: digest(path)}
    manifest.model_copy(update={"files": files}).save(directory / MANIFEST)
    assert not np.array_equal(Pipeline(directory).generate(asked(SD)), before)


def test_a_cache_that_cannot_be_written_stops_nothing(
    bundle: Bundles, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where compiled graphs cannot be kept, pictures are made all the same."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    assert np.array_equal(Pipeline(bundle(SD)).generate(asked(SD)), pipeline.generate(asked(SD)))
    assert os.environ["XDG_CACHE_HOME"].endswith("below")


def test_a_bundle_replaced_while_it_is_open_is_noticed(copied: Bundles, bundle: Bundles) -> None:
    """Another bundle in its place is not run under its name, nor kept as if it were it."""
    directory = copied(SD)
    opened = Pipeline(directory)
    for name in ("denoiser.xml", "denoiser.bin"):
        (directory / name).unlink()
        shutil.copy(directory / name.replace("denoiser", "decoder"), directory / name)
    with pytest.raises(BundleError, match="is not the file that its bundle names"):
        opened.generate(asked(SD, *range(11)))  # a batch that nothing has compiled yet
    assert Pipeline(bundle(SD)).generate(asked(SD, *range(11))).shape[0] == 11
