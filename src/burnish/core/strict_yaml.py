"""YAML from outside as plain data, each piece with its line; what is not plain is refused, not guessed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from burnish.core.errors import BurnishError

Place = tuple[str | int, ...]  # ("offers", 0, "per_hour")

TAG = "tag:yaml.org,2002:"
NUMBERS = {
    "int": (re.compile(r"-?(0|[1-9][0-9]{0,18})"), int),
    "float": (re.compile(r"-?[0-9]{1,19}\.[0-9]{0,19}([eE][-+][0-9]{1,3})?"), float),
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
FORMS = {"map": "mapping", "seq": "sequence"}  # what a node is whose tag says so; all others are scalars
TOO_DEEP, DEEP_REMEDY = "nested too deeply", "An item is a text, a number or a mapping"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Document(NamedTuple):
    """What a file says, and the line of every field and item in it."""

    data: dict[str, Any]
    lines: dict[Place, int]


def parse_yaml(path: Path, text: str, error: type[BurnishError], most_depth: int) -> Document:
    """The mapping that a YAML file is: texts, numbers, null, lists, mappings; a day comes as its text.

    Raises `error`, which names the file and the line, for what is nested deeper than said, for aliases,
    fields that stand twice, and anything that YAML would make of a text that has no quotes.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was compiled
    try:
        _require_shallow(path, yaml.parse(text, Loader=loader), error, most_depth)
        root = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as found:
        mark = getattr(found, "problem_mark", None) or getattr(found, "context_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(found, "problem", None) or getattr(found, "reason", None) or "it ends too early"
        if "nesting depth" in problem:  # PyYAML 6.0.4 counts too, and reads ahead
            raise error(f"{path}{where}: {TOO_DEEP}", DEEP_REMEDY) from None
        raise error(f"{path}{where}: not YAML: {problem}", "Quote texts with : # or brackets") from None
    if root is None or root.id != "mapping":
        raise error(f"{path}: a mapping is expected", "Begin each line with a field and a colon")
    lines: dict[Place, int] = {}
    return Document(_plain(path, root, (), lines, error), lines)


def _require_shallow(path: Path, events: Iterable[Any], error: type[BurnishError], most_depth: int) -> None:
    """Before anything is made of it: no alias, by which few lines become gigabytes, and no deep nesting."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
        where = f"{path}, line {event.start_mark.line + 1}"
        if kind == "AliasEvent":
            raise error(f"{where}: an alias (*) is not read", "Write it out, or quote it")
        if depth > most_depth + 2:  # the stream and the document count too
            raise error(f"{where}: {TOO_DEEP}", DEEP_REMEDY)


def _plain(path: Path, node: Any, place: Place, lines: dict[Place, int], error: type[BurnishError]) -> Any:
    kind, where = node.tag.removeprefix(TAG), f"{path}, line {node.start_mark.line + 1}"
    if node.id != FORMS.get(kind, "scalar"):  # a tag may say of a list that it is a text
        raise error(f"{where}: a {node.id} is read as {kind:.40}", "Take the tag out")
    lines.setdefault(place, node.start_mark.line + 1)
    if kind == "map":
        return _mapping(path, node, place, lines, error)
    if kind == "seq":
        return [_plain(path, item, (*place, k), lines, error) for k, item in enumerate(node.value)]
    if kind == "null":
        return None
    if kind == "str" or (kind == "timestamp" and DAY.fullmatch(node.value)):
        return node.value
    pattern, number = NUMBERS.get(kind, (None, None))
    if pattern and number and pattern.fullmatch(node.value):
        return number(node.value)
    raise error(
        f"{where}: {node.value!r:.40} is read as {kind:.40}", "Put a text in quotes; write 1200 or 0.5"
    )


def _mapping(
    path: Path, node: Any, place: Place, lines: dict[Place, int], error: type[BurnishError]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        where = f"{path}, line {key.start_mark.line + 1}"
        if key.tag != f"{TAG}str" or key.id != "scalar" or CONTROL.search(key.value):
            raise error(f"{where}: {key.value!r:.40} is no field", "Fields are plain words")
        if key.value in found:
            raise error(f"{where}: {key.value:.40} stands there twice", "Keep one of them")
        lines[*place, key.value] = key.start_mark.line + 1
        found[key.value] = _plain(path, value, (*place, key.value), lines, error)
    return found
