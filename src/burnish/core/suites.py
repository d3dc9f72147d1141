"""Files of suites, told by their suffix: .json, .yaml or .yml, .jsonl, .csv; and the suites that are shipped.

JSON (what `Suite.save` writes) and YAML have `name`, `seeds`, and either `prompts` or `selection` and
`confirmation`; an item is a text, or a mapping of a prompt's fields. JSON Lines and CSV hold a prompt a line,
with any of `FIELDS`. A name that is left out is the file's; seeds that are left out are 0 and 1, but in JSON
0 alone. Prompts that do not say their part are split by `part_of`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.files import digest_text, read_foreign, write_text
from burnish.core.strict_yaml import Document, parse_yaml

Part = Literal["selection", "confirmation"]
Line = tuple[str, str, Any]  # where it stands, the part that its place says or "", what stands there

SHIPPED = Path(__file__).parents[1] / "models" / "icons-suites"
PARTS: tuple[Part, Part] = ("selection", "confirmation")
LISTS = {"prompts": "", "selection": "selection", "confirmation": "confirmation"}  # the part that each says
FIELDS = ("prompt", "class_label", "tags", "variant_of", "part")
SEEDS = (0, 1)  # two, because `equivalent` needs to know what a new seed changes
SELECTION_SHARE = 0.25
MAX_BYTES = 8 << 20  # about a hundred thousand prompts, more than anybody draws
MAX_DEPTH = 4  # a suite's YAML: mapping, list, mapping, tags
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,18})")
UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")  # what YAML wants escaped, beyond JSON


def shipped_suites() -> tuple[str, ...]:
    """Names of the suites for the icons model that come with the package, in order."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def find_suite(value: str | Path) -> Path:
    """The file that is meant: a path where there is a file, else a shipped suite's name; else SuiteError."""
    names = shipped_suites()
    if str(value) in names and not Path(value).is_file():
        return SHIPPED / f"{value}.yaml"
    if Path(value).exists():
        return Path(value)
    raise SuiteError(f"{value} does not exist", f"Give a suite file, or one of: {', '.join(names)}")


def part_of(prompt: Prompt) -> Part:
    """Selection for about a quarter of all units, confirmation for the others, by a hash of the unit alone.

    Variants stay with what they are variants of, and a new prompt moves no other.
    """
    share = int(digest_text(prompt.unit)[:8], 16) / 2**32
    return "selection" if share < SELECTION_SHARE else "confirmation"


def read_suite(path: Path) -> Suite:
    """Reads a suite; a file of another suffix is taken for JSON.

    Raises SuiteError naming the file and the line, or in JSON the prompt's number; raises OSError.
    """
    suite = PARSERS.get(path.suffix.lower(), _parse_json)(path, read_file(path))
    _require_sound(suite, path)
    return suite


def write_suite(suite: Suite, path: Path, *, comment: str = "") -> None:
    """Writes a suite by the suffix, whole or not at all; only YAML has room for a `comment`, at its top.

    JSON Lines and CSV keep the file's name, not the suite's. Raises SuiteError for another suffix and what
    would not come back as it was (their seeds are 0 and 1; a tag in CSV has no semicolon), and OSError.
    """
    kind = path.suffix.lower()
    require_name(path)
    if comment and PARSERS[kind] is not _parse_yaml:
        raise SuiteError(f"{path} has no room for a comment", "Use .yaml")
    _require_sound(suite, path)
    if kind == ".json":
        suite.save(path)
        return
    text = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines()) + RENDERERS[kind](suite)
    read = PARSERS[kind](path, text)
    if read != suite.model_copy(update={} if PARSERS[kind] is _parse_yaml else {"name": read.name}):
        raise SuiteError(f"{path} cannot hold this suite's seeds or tags", "Use .yaml or .json")
    write_text(path, text)


def require_name(path: Path) -> None:
    """Raises SuiteError for a path that no suite can be written to."""
    if path.suffix.lower() not in PARSERS:
        raise SuiteError(f"{path} is no name of a suite", f"End it in one of: {', '.join(PARSERS)}")


def read_file(path: Path) -> str:
    """Text of a file of prompts; raises SuiteError, OSError."""
    return read_foreign(path, SuiteError, MAX_BYTES)


def jsonl_rows(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """(where, value) of each line that is not empty; raises SuiteError where one is no JSON."""
    for k, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield f"line {k}", json.loads(line, object_pairs_hook=_distinct)
        except (RecursionError, ValueError) as error:
            problem = f"{path}, line {k}: not JSON: {getattr(error, 'msg', error)}"
            raise SuiteError(problem, "JSON Lines hold one object a line") from None


def csv_rows(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """(where, cell by column) of each row below the header; raises SuiteError where the two do not fit."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) < len(header):
            problem = f"{path}, line 1: a column's name is missing or stands there twice"
            raise SuiteError(problem, "The first line names the columns")
        for cells in reader:
            if len(cells) > len(header):
                problem = f"{path}, line {reader.line_num}: {len(cells)} cells for {len(header)} columns"
                raise SuiteError(problem, "Put a text with a comma in quotes")
            if cells:
                yield f"line {reader.line_num}", dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise SuiteError(f"{path}, line {reader.line_num}: {error}", "Put quotes around a text") from None


def _parse_json(path: Path, text: str) -> Suite:
    try:
        data = json.loads(text, object_pairs_hook=_distinct)
    except (RecursionError, ValueError) as error:
        raise SuiteError(f"{path} is not JSON: {error}", Suite.remedy) from None
    if not isinstance(data, dict):
        raise SuiteError(f"{path}: a suite is an object", Suite.remedy)
    version = data.pop("schema_version", Suite.version)
    if version != Suite.version:
        raise SuiteError(
            f"{path} has schema version {version!r:.20}, this program reads {Suite.version}",
            "Use the Burnish version that wrote it",
        )
    _require_fields(path, data)
    lines: list[Line] = []
    for key, part in LISTS.items():
        if not isinstance(data.get(key, []), list):
            raise SuiteError(f"{path}: {key} is no list", Suite.remedy)
        lines += [(f"{key} {k}", part, item) for k, item in enumerate(data.get(key, []), 1)]
    return _assemble(path, data.get("name", path.stem), data.get("seeds", SEEDS[:1]), lines)


def _parse_jsonl(path: Path, text: str) -> Suite:
    return _assemble(path, path.stem, SEEDS, ((where, "", row) for where, row in jsonl_rows(path, text)))


def _parse_csv(path: Path, text: str) -> Suite:
    lines = ((where, "", _cells(path, where, row)) for where, row in csv_rows(path, text))
    return _assemble(path, path.stem, SEEDS, lines)


def _cells(path: Path, where: str, row: dict[str, str]) -> dict[str, Any]:
    """A row with its numbers and lists made of text; an unknown column stays and is refused as a field."""
    found: dict[str, Any] = dict(row)
    number = row.get("class_label", "").strip()
    if number and not DECIMAL.fullmatch(number):
        raise SuiteError(f"{path}, {where}: class_label: {number!r:.40} is no whole number")
    found["class_label"] = int(number) if number else None
    found["tags"] = [tag.strip() for tag in row.get("tags", "").split(";") if tag.strip()]
    return found


def _parse_yaml(path: Path, text: str) -> Suite:
    found = parse_yaml(path, text, SuiteError, MAX_DEPTH)
    _require_fields(path, found.data)
    name, seeds = found.data.get("name", path.stem), found.data.get("seeds", SEEDS)
    return _assemble(path, name, seeds, _yaml_lines(path, found))


def _require_fields(path: Path, fields: dict[str, Any]) -> None:
    known = ("name", "seeds", *LISTS)
    unknown = next((key for key in fields if key not in known), None)
    if unknown is not None:
        raise SuiteError(f"{path}: no suite has {unknown!r:.40}", f"The fields are {', '.join(known)}")
    given = [key for key in LISTS if key in fields]
    if not given or ("prompts" in given and len(given) > 1):
        problem = f"{path} has {' and '.join(given) or 'no prompts'}"
        raise SuiteError(problem, "Give prompts, which are split, or selection and confirmation")


def _yaml_lines(path: Path, found: Document) -> Iterator[Line]:
    for key, part in LISTS.items():
        items = found.data.get(key)
        if items is not None and not isinstance(items, list):
            raise SuiteError(f"{path}, line {found.lines[key,]}: {key} is no list", "Begin items with -")
        for k, item in enumerate(items or ()):
            yield f"line {found.lines[key, k]}", part, item


def _assemble(path: Path, name: Any, seeds: Any, lines: Iterable[Line]) -> Suite:
    parts: dict[str, list[Prompt]] = {part: [] for part in PARTS}
    seen: dict[tuple[str, int | None], str] = {}
    for where, said, value in lines:
        prompt, own = _prompt(f"{path}, {where}", value, said)
        key = (prompt.prompt, prompt.class_label)
        if key in seen:
            problem = f"the prompt {prompt.prompt or prompt.class_label!r:.60} stands there twice"
            raise SuiteError(f"{path}, {where}: {problem}, first in {seen[key]}", "Keep one of them")
        seen[key] = where
        parts[own or part_of(prompt)].append(prompt)
    try:
        seeds = tuple(seeds) if isinstance(seeds, list) else seeds
        lists = {part: tuple(parts[part]) for part in PARTS}
        return Suite.model_validate({"name": name, "seeds": seeds, **lists}, strict=True)
    except ValidationError as error:
        raise SuiteError(f"{path}: {_first(error)}", Suite.remedy) from None


def _prompt(where: str, value: Any, said: str) -> tuple[Prompt, str]:
    """The prompt of one line and its part, "" where neither its place nor a field says one."""
    data = {"prompt": value} if isinstance(value, str) else value
    if not isinstance(data, dict):
        raise SuiteError(f"{where}: {value!r:.40} is no prompt", "An item is a text, or has a field prompt")
    fields = dict(data)
    own = fields.pop("part", None)
    part = said if own in (None, "") else own
    if part not in ("", *PARTS) or (said and part != said):
        raise SuiteError(f"{where}: part: {part!r:.40}", "A part is selection or confirmation")
    unknown = next((key for key in fields if key not in FIELDS), None)
    if unknown is not None:
        raise SuiteError(f"{where}: {unknown!r:.40} is no field", f"The fields are {', '.join(FIELDS)}")
    try:
        return Prompt.model_validate_json(json.dumps(fields), strict=True), part
    except ValidationError as error:
        raise SuiteError(f"{where}: {_first(error)}", "Put a text in quotes") from None
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        raise SuiteError(f"{where}: {error}") from None


def _first(error: ValidationError) -> str:
    found = error.errors()[0]
    field = ".".join(map(str, found["loc"]))
    return f"{field + ': ' if field else ''}{found['msg'].removeprefix('Value error, ')}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands there twice")
    return found


def _require_sound(suite: Suite, path: Path) -> None:
    """Raises SuiteError for a text that no tokenizer takes, and for variants of one prompt in both parts."""
    lines = (*suite.selection, *suite.confirmation)
    bases = {p.variant_of for p in lines if p.variant_of != p.prompt}
    for text in (suite.name, *(t for p in lines for t in (p.prompt, p.variant_of, *p.tags))):
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise SuiteError(f"{path}: {text!r:.40} holds a NUL or half a character", "Take it out")
    for p in lines:
        if p.variant_of and p.prompt in bases:
            raise SuiteError(f"{path}: {p.prompt!r:.60} is a variant and has some", "Name the first prompt")
    chosen, confirmed = ({p.unit for p in part} for part in (suite.selection, suite.confirmation))
    shared = sorted(chosen & confirmed & {p.unit for p in lines if p.variant_of})
    if shared:
        problem = f"{path}: variants of {shared[0]!r:.60} stand in selection and in confirmation"
        raise SuiteError(problem, "What chose a plan must not confirm it: keep variants in one part")


def _items(prompts: Iterable[Prompt], **more: str) -> Iterator[dict[str, Any]]:
    """The fields of each prompt that say something."""
    for p in prompts:
        said = p.model_dump(mode="json", exclude_defaults=True)
        yield {"prompt": p.prompt, **said, **more}


def _render_jsonl(suite: Suite) -> str:
    rows = (row for part in PARTS for row in _items(getattr(suite, part), part=part))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _render_csv(suite: Suite) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, FIELDS, restval="")
    writer.writeheader()
    for part in PARTS:
        rows = _items(getattr(suite, part), part=part)
        writer.writerows(row | {"tags": ";".join(row.get("tags", ()))} for row in rows)
    return out.getvalue()


def _render_yaml(suite: Suite) -> str:
    """YAML with a line a prompt: what JSON writes on one line is YAML too, once more signs are escaped."""

    def flow(value: Any) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)

    head = f"name: {flow(suite.name)}\nseeds: {flow(suite.seeds)}\n"
    for part in PARTS:
        rows = [row["prompt"] if len(row) == 1 else row for row in _items(getattr(suite, part))]
        head += f"{part}:\n" + "".join(f"- {flow(row)}\n" for row in rows) if rows else f"{part}: []\n"
    return head


PARSERS: dict[str, Callable[[Path, str], Suite]] = {
    ".json": _parse_json,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".jsonl": _parse_jsonl,
    ".csv": _parse_csv,
}
RENDERERS: dict[str, Callable[[Suite], str]] = {
    ".yaml": _render_yaml,
    ".yml": _render_yaml,
    ".jsonl": _render_jsonl,
    ".csv": _render_csv,
}
