"""Damage that a test does to a copy of a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openvino as ov
from openvino import opset13 as ops

from burnish.core.bundle import MANIFEST
from burnish.core.files import digest

Damage = Callable[[Path], object]


def edit(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Changes the manifest."""

    def damage(directory: Path) -> None:
        data = json.loads((directory / MANIFEST).read_text())
        change(data)
        (directory / MANIFEST).write_text(json.dumps(data))

    return damage


def model(**changes: Any) -> Damage:
    """Changes the model's card in the manifest."""
    return edit(lambda data: data["model"].update(changes))


def manifest(**changes: Any) -> Damage:
    """Changes fields of the manifest."""
    return edit(lambda data: data.update(changes))


def graph(role: str, **changes: Any) -> Damage:
    """Changes what the manifest says of a graph."""
    return edit(lambda data: next(g for g in data["graphs"] if g["role"] == role).update(changes))


def signed(name: str, text: Callable[[str], str]) -> Damage:
    """What somebody does who changes a file and its digest with it."""

    def damage(directory: Path) -> None:
        path = directory / name
        path.write_text(text(path.read_text()))
        edit(lambda data: data["files"].update({name: digest(path)}))(directory)

    return damage


def rewritten(name: str, change: Callable[[Any], object]) -> Damage:
    """Changes a JSON file and its digest with it."""

    def text(before: str) -> str:
        data = json.loads(before)
        change(data)
        return json.dumps(data)

    return signed(name, text)


def computing(role: str, change: Callable[[Any], Any]) -> Damage:
    """Makes a graph give what `change` makes of its output, and signs it."""

    def damage(directory: Path) -> None:
        path = directory / f"{role}.xml"
        whole = ov.Core().read_model(path)
        given = whole.get_results()[0].input_value(0)
        other = ov.Model([change(given)], whole.get_parameters(), role)
        other.output(0).get_tensor().set_names(given.get_tensor().get_names())
        aside = path.with_name("aside.xml")  # the graph's weights are read from its file until it is saved
        ov.save_model(other, aside, compress_to_fp16=False)
        for suffix in (".xml", ".bin"):
            aside.with_suffix(suffix).replace(path.with_suffix(suffix))
        written = {p.name: digest(p) for p in (path, path.with_suffix(".bin"))}
        edit(lambda data: data["files"].update(written))(directory)

    return damage


def doubled(role: str) -> Damage:
    """Makes a graph give twice as much."""
    return computing(role, lambda given: ops.concat([given, given], axis=1))


def shapeless(role: str) -> Damage:
    """Makes a graph take its numbers for a shape."""
    return computing(
        role, lambda given: ops.reshape(given, ops.convert(ops.reshape(given, [-1], False), "i64"), False)
    )
