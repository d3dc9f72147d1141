"""A bundle is opened only when every file it names lies in it, unaltered."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError
from burnish.core.files import digest
from burnish.core.model import ModelCard
from burnish.runtime import Pipeline
from burnish.runtime.manifest import open_manifest
from tests.conftest import DDPM, SD, Bundles, asked

Damage = Callable[[Path], object]


def _edit(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(directory: Path) -> None:
        data = json.loads((directory / MANIFEST).read_text())
        change(data)
        (directory / MANIFEST).write_text(json.dumps(data))

    return damage


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
        f"{name} unlisted": (_edit(lambda data, n=name: data["files"].pop(n)), f"{name} has no digest")
        for name in FILES
    },
    "no manifest": (lambda d: (d / MANIFEST).unlink(), "is no bundle"),
    "half a manifest": (lambda d: (d / MANIFEST).write_text((d / MANIFEST).read_text()[:99]), "not JSON"),
    "another version": (_edit(lambda data: data.update(schema_version=9)), "schema version 9"),
    "unknown field": (_edit(lambda data: data.update(magic=1)), "magic"),
    "a file above": (_edit(lambda data: data["files"].update({"../x": "0"})), "'../x', which lies outside"),
    "a file anywhere": (
        _edit(lambda data: data["files"].update({"/etc/passwd": "0"})),
        "'/etc/passwd', which lies outside",
    ),
    "a link out": (_link_out, "'program.json', which lies outside"),
    "program above": (_edit(lambda data: data.update(program="../program.json")), "../program.json has no"),
    "graph elsewhere": (_edit(lambda data: data["graphs"][0].update(file="d.xml")), "d.bin has no digest"),
    "a name of no file": (_edit(lambda data: data["files"].update({"a\0b": "0"})), "which is no file"),
    "a folder as file": (_edit(lambda data: data["files"].update({".": "0"})), "is missing"),
    "no denoiser": (_edit(lambda data: data["graphs"].pop(0)), "has no denoiser"),
    "no tokenizer": (_edit(lambda data: data.update(tokenizer="")), "has no tokenizer"),
    "no image encoder": (_edit(lambda data: data["graphs"].pop()), "has no image_encoder"),
}


def _model(**changes: Any) -> Damage:
    return _edit(lambda data: data["model"].update(changes))


def _bundle(**changes: Any) -> Damage:
    return _edit(lambda data: data.update(changes))


def _graph(role: str, **changes: Any) -> Damage:
    return _edit(lambda data: next(g for g in data["graphs"] if g["role"] == role).update(changes))


def _signed(name: str, text: Callable[[str], str]) -> Damage:
    """What somebody does who changes a file and its digest with it."""

    def damage(directory: Path) -> None:
        path = directory / name
        path.write_text(text(path.read_text()))
        _edit(lambda data: data["files"].update({name: digest(path)}))(directory)

    return damage


def _json(name: str, change: Callable[[Any], object]) -> Damage:
    def text(before: str) -> str:
        data = json.loads(before)
        change(data)
        return json.dumps(data)

    return _signed(name, text)


def _surrounded(data: dict[str, Any], tokens: int) -> None:
    """Gives every text so many tokens of its own before it."""
    token = {"id": "x", "ids": [1], "tokens": ["x"]}
    parts = [{"SpecialToken": {"id": "x", "type_id": 0}}] * tokens + [{"Sequence": {"id": "A", "type_id": 0}}]
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    template = {"single": parts, "pair": pair, "special_tokens": {"x": token}}
    data["post_processor"] = {"type": "TemplateProcessing", **template}


FITS_NOT = "no whole multiple"
WRONG: dict[str, tuple[Damage, str]] = {
    "a large latent": (_model(latent_shape=[4, 128, 128]), FITS_NOT),
    "stretched": (_model(latent_shape=[4, 8, 16]), FITS_NOT),
    "no channels": (_model(latent_shape=[0, 8, 8]), "model.latent_shape.0"),
    "a milliard channels": (_model(latent_shape=[10**9, 8, 8]), "model.latent_shape.0"),
    "a milliard rows": (_model(latent_shape=[4, 10**9, 8]), "model.latent_shape.1"),
    "a milliard pixels": (_model(image_shape=[3, 32, 10**9]), "model.image_shape.2"),
    "four colours": (_model(image_shape=[4, 32, 32]), "model.image_shape.0"),
    "much of all": (
        _model(latent_shape=[1024, 4096, 4096], image_shape=[3, 4096, 4096]),
        "latent_shape (1024, 4096, 4096) is more than",
    ),
    "multiple of nothing": (_model(size_multiple=0), "model.size_multiple"),
    "a large multiple": (_model(size_multiple=8192), "model.size_multiple"),
    "an odd multiple": (_model(size_multiple=6), "size_multiple 6 does not fit"),
    "a multiple beyond the picture": (_model(size_multiple=64), "size_multiple 64 does not fit"),
    "no tokens": (_model(max_tokens=0), "(16, 32), not (0, 32)"),
    "a milliard tokens": (_model(max_tokens=10**9), "model.max_tokens"),
    "many classes": (_model(classes=10**30), "model.classes"),
    "of another family": (_model(family="unconditional", latent_shape=[3, 32, 32]), "condition"),
    "scaled by nothing": (_bundle(scaling_factor=0), "scaling_factor"),
    "scaled by nearly nothing": (_bundle(scaling_factor=1e-50), "scaling_factor"),
    "scaled by no number": (_bundle(scaling_factor=float("nan")), "scaling_factor"),
    "scaled by infinity": (_bundle(scaling_factor=float("inf")), "scaling_factor"),
    "shifted away": (_bundle(shift_factor=-1e300), "shift_factor"),
    "a class below": (_bundle(null_class=-1), "null_class"),
    "a class above": (_bundle(null_class=1), "null_class is 1 of 0 classes"),
    **{
        f"graph {name!r}": (_graph("denoiser", file=name), "graphs.0.file")
        for name in (
            "",
            ".xml",
            "denoiser",
            "denoiser.bin",
            "../denoiser.xml",
            "a/b.xml",
            "a\0.xml",
            "a.xml\n",
        )
    },
    "a role twice": (_edit(lambda data: data["graphs"].append(data["graphs"][0])), "more than one denoiser"),
    **{
        f"inputs of {role} {inputs}": (_graph(role, inputs=inputs), f"inputs of {role} are")
        for role, inputs in {
            "denoiser": ["sample", "time_proj"],
            "time_proj": [],
            "text_encoder": ["sample"],
            "decoder": ["sample", "sample"],
            "image_encoder": ["image"],
        }.items()
    },
    **{
        f"output of {role} {shape}": (_graph(role, output_shape=shape), f"output_shape of {role} is")
        for role, shape in {
            "denoiser": [8, 8, 8],
            "time_proj": [1, 16],
            "text_encoder": [32],
            "decoder": [3, 16, 16],
            "image_encoder": [4, 8],
        }.items()
    },
    "no output": (_graph("denoiser", output_shape=[]), "graphs.0.output_shape"),
    "an output below": (_graph("time_proj", output_shape=[-1]), "graphs.1.output_shape.0"),
    "an output of a milliard": (_graph("time_proj", output_shape=[10**9]), "graphs.1.output_shape.0"),
    "a long and wide text": (
        _edit(
            lambda data: (
                data["model"].update(max_tokens=65536),
                data["graphs"][2].update(output_shape=[65536, 65536]),
            )
        ),
        "text_encoder is (65536, 65536), more than",
    ),
    "no tokenizer at all": (
        _signed("tokenizer.json", lambda _: "{}"),
        "tokenizer.json is no tokenizer: Model",
    ),
    "a deep tokenizer": (_signed("tokenizer.json", lambda _: "[" * 99_999), "is no tokenizer: invalid type"),
    **{
        f"{part} {field} {value}": (
            _json("tokenizer.json", lambda data, at=(part, field, value): data[at[0]].update({at[1]: at[2]})),
            f"tokenizer.json: {part} {named} is",
        )
        for part, field, value, named in (
            ("padding", "strategy", {"Fixed": 10**9}, "length"),
            ("padding", "strategy", "BatchLongest", "length"),
            ("padding", "pad_to_multiple_of", 0, "pad_to_multiple_of"),
            ("truncation", "max_length", 10**9, "max_length"),
            ("truncation", "stride", 16, "stride"),
            ("truncation", "strategy", "OnlySecond", "strategy"),
        )
    },
    **{
        f"no {part}": (
            _json("tokenizer.json", lambda data, part=part: data.update({part: None})),
            f"{part} {field} is None",
        )
        for part, field in (("padding", "length"), ("truncation", "max_length"))
    },
    "a text of nothing else": (
        _json("tokenizer.json", lambda data: _surrounded(data, 17)),
        "tokenizer.json puts 17 tokens around",
    ),
    "an immense scale": (
        _json("program.json", lambda data: data["input_scale"].__setitem__(0, 1e300)),
        "program.json: the whole: every number",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_refused_when_a_bundle_is_opened(name: str, copied: Bundles) -> None:
    """What is signed is not therefore right: one line names the file or the field, and says what to do."""
    damage, words = WRONG[name]
    directory = copied(SD)
    damage(directory)
    with pytest.raises(BundleError) as error:
        Pipeline(directory)
    assert words in str(error.value)
    assert error.value.remedy
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value).removeprefix(str(directory))) < 400


LATE: dict[str, tuple[Damage, str]] = {
    "no graph": (_signed("denoiser.xml", lambda _: "<net/>"), "denoiser.xml is no graph of OpenVINO"),
    "half a graph": (
        _signed("denoiser.xml", lambda text: text[: len(text) // 2]),
        "denoiser.xml is no graph for",
    ),
    "another graph": (
        _signed("denoiser.xml", lambda text: text.replace('"time_proj"', '"time"')),
        "denoiser.xml is no graph for inputs",
    ),
    "deep tables": (_signed("starts.json", lambda _: "[" * 99_999), "starts.json has no table"),
    "too few tables": (_signed("starts.json", lambda _: "[]"), "starts.json has no table"),
    "an immense table": (
        _json("starts.json", lambda data: [table.update(image_scale=1e300) for table in data]),
        "starts.json has no table to start at step 3: Value error, every number",
    ),
    "a table without noise": (
        _json("starts.json", lambda data: [table["rows"][0].update(start=0.0) for table in data]),
        "which divides it, is 0",
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_wrong_files_are_refused_when_they_are_needed(name: str, copied: Bundles) -> None:
    """Graphs and tables that are opened late are refused late, in one line that names the file."""
    damage, words = LATE[name]
    directory = copied(SD)
    damage(directory)
    opened = Pipeline(directory)
    with pytest.raises(BundleError) as error:
        opened.generate(asked(SD, image=np.zeros((32, 32, 3), dtype=np.uint8), strength=0.5))
    assert words in str(error.value)
    assert error.value.remedy
    assert len(str(error.value).splitlines()) == 1


def test_a_family_has_its_own_graphs(copied: Bundles) -> None:
    """A decoder or a tokenizer in the bundle of a model that draws pixels from nothing is refused."""
    directory = copied(DDPM)
    for change, words in (
        (lambda data: data["graphs"].append(data["graphs"][0] | {"role": "decoder"}), "has no decoder"),
        (lambda data: data.update(tokenizer="tokenizer.json"), "max_tokens is 0, but there is a tokenizer"),
        (lambda data: data["model"].update(latent_shape=[3, 16, 16]), "nothing decodes"),
    ):
        whole = (directory / MANIFEST).read_text()
        _edit(change)(directory)
        with pytest.raises(BundleError, match=words):
            open_manifest(directory)
        (directory / MANIFEST).write_text(whole)


@pytest.mark.parametrize(
    ("family", "latents", "side", "multiple", "more"),
    [
        ("stable-diffusion", (4, 64, 64), 512, 64, {"max_tokens": 77}),
        ("stable-diffusion", (4, 96, 96), 768, 64, {"max_tokens": 77}),
        ("stable-diffusion", (4, 128, 128), 1024, 32, {"max_tokens": 77}),
        ("stable-diffusion", (16, 512, 512), 4096, 64, {"max_tokens": 512}),
        ("class-conditional", (4, 64, 64), 512, 16, {"classes": 1000}),
        ("unconditional", (3, 1024, 1024), 1024, 32, {}),
    ],
)
def test_models_that_there_are_fit(
    family: str, latents: tuple[int, ...], side: int, multiple: int, more: dict[str, int]
) -> None:
    """Stable Diffusion 1 and 2, the size of SDXL, what may come, DiT-XL/2 and large pixels have a card."""
    card = ModelCard.model_validate(
        {
            "name": "m",
            "family": family,
            "pipeline": "",
            "components": (),
            "prediction_type": "epsilon",
            "scheduler": "",
            "latent_shape": latents,
            "image_shape": (3, side, side),
            "size_multiple": multiple,
            "digest": "",
            **more,
        }
    )
    assert card.latent_shape == latents


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
