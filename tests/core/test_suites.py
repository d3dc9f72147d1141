"""Files of suites: in every format what was written comes back, and what is wrong is named with its line."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.suites import find_suite, part_of, read_suite, shipped_suites, write_suite

scratch = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
labels = st.none() | st.integers(0, 10**6)
tags = st.from_regex(r"[a-z]{1,4}(:[a-zé -]{0,4}[a-z])?", fullmatch=True)
bases = st.builds(
    Prompt,
    prompt=texts,
    class_label=labels,
    tags=st.lists(tags, max_size=3).map(tuple),
    variant_of=st.just(""),
)


@st.composite
def suites(draw: st.DrawFn) -> Suite:
    """A suite of a few prompts, some of them variants of others, split by unit."""
    lines = draw(st.lists(bases, max_size=6, unique_by=lambda p: (p.prompt, p.class_label)))
    for base in [p for p in lines if p.prompt]:
        worded = f"{base.prompt}{draw(texts)}~"
        assume(all(p.prompt != worded for p in lines))
        if draw(st.booleans()):
            lines.append(Prompt(prompt=worded, variant_of=base.prompt, tags=("perturbed:typo",)))
    parts = {part: tuple(p for p in lines if part_of(p) == part) for part in ("selection", "confirmation")}
    assume(not {p.unit for p in parts["selection"]} & {p.unit for p in parts["confirmation"]})
    return Suite(name="suite", seeds=(0, 1), **parts)


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml", "jsonl", "csv"])
@scratch
@given(suite=suites())
def test_a_suite_comes_back_as_it_was_written(suffix: str, suite: Suite, tmp_path: Path) -> None:
    """Any texts, labels, tags and variants, parts and order, are the same after write and read."""
    path = tmp_path / f"suite.{suffix}"
    write_suite(suite, path)
    assert read_suite(path) == suite


@scratch
@given(name=texts, seeds=st.lists(st.integers(0, 2**60), min_size=1, max_size=4, unique=True))
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_name_and_seeds_come_back(suffix: str, name: str, seeds: list[int], tmp_path: Path) -> None:
    """JSON and YAML hold the name and the seeds too, whatever they are."""
    suite = Suite(name=name, seeds=tuple(seeds), selection=(), confirmation=(Prompt(prompt="a" * 5000),))
    write_suite(suite, tmp_path / f"other.{suffix}")
    assert read_suite(tmp_path / f"other.{suffix}") == suite


SAME = {
    "a.yaml": "prompts:\n- a red apple\n- {prompt: cat, tags: [animal, small]}\n- 'no'\n",
    "a.jsonl": '{"prompt": "a red apple"}\n\n{"prompt": "cat", "tags": ["animal", "small"]}\n"no"\n',
    "a.csv": "\ufeffprompt,tags\r\na red apple,\r\ncat,animal; small\r\nno\r\n",
    "a.json": '{"seeds": [0, 1], "prompts": '
    '["a red apple", {"prompt": "cat", "tags": ["animal", "small"]}, "no"]}',
}


@pytest.mark.parametrize("name", SAME)
def test_formats_say_the_same(name: str, tmp_path: Path) -> None:
    """One list of prompts is one suite in every format: the file's name, seeds 0 and 1, the same split."""
    (tmp_path / name).write_text(SAME[name], newline="")
    lines = (
        Prompt(prompt="a red apple"),
        Prompt(prompt="cat", tags=("animal", "small")),
        Prompt(prompt="no"),
    )
    found = read_suite(tmp_path / name)
    assert (found.name, found.seeds) == ("a", (0, 1))
    for part in ("selection", "confirmation"):
        assert getattr(found, part) == tuple(p for p in lines if part_of(p) == part)


def test_parts_that_a_file_says_are_kept(tmp_path: Path) -> None:
    """A prompt goes where its field, or the list that it stands in, says."""
    (tmp_path / "a.csv").write_text("prompt,part\na,selection\nb,confirmation\nc,confirmation\n")
    (tmp_path / "b.yaml").write_text("name: a\nselection: [a]\nconfirmation: [b, c]\n")
    assert read_suite(tmp_path / "a.csv") == read_suite(tmp_path / "b.yaml")
    assert [p.prompt for p in read_suite(tmp_path / "a.csv").selection] == ["a"]


def test_variants_stay_together_and_a_quarter_is_for_choosing() -> None:
    """The split depends on the unit alone, and takes near a quarter of many (binomial, five deviations)."""
    chosen = [part_of(Prompt(prompt=f"prompt {k}")) == "selection" for k in range(2000)]
    assert abs(sum(chosen) - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5
    for k, own in enumerate(chosen[:50]):
        variant = Prompt(prompt=f"PROMPT {k}", tags=("perturbed:case",), variant_of=f"prompt {k}")
        assert (part_of(variant) == "selection") == own


def nested(depth: int) -> str:
    """YAML of so many lists in lists."""
    return "prompts: " + "[" * depth + "]" * depth + "\n"


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nprompts: [*b, *b]\n"
# File, what is in it, what the error says.
REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "an alias bomb": ("a.yaml", BOMB, "line 2: an alias"),
    "deep YAML": ("a.yaml", nested(200_000), "line 1: nested too deeply"),
    "deep JSON": ("a.json", "[" * 200_000, "is not JSON"),
    "deep JSON Lines": ("a.jsonl", "\n" + "[" * 200_000, "line 2: not JSON"),
    "an object of Python's": ("a.yaml", "prompts: [!!python/object/apply:os.getcwd []]", "line 1.*read as"),
    "a tag on a text": ("a.yaml", "prompts:\n- !secret b", "line 2.*'b' is read as !secret"),
    "a merge": ("a.yaml", "prompts:\n- <<: {prompt: a}", "line 2: '<<' is no field"),
    "two documents": ("a.yaml", "prompts: [a]\n---\nprompts: [b]\n", "not YAML"),
    "broken YAML": ("a.yaml", "name: a\nprompts: [a, b\n", "line 3: not YAML"),
    "a control character": ("a.yaml", "prompts: ['a\x07']", "not YAML"),
    "a NUL": ("a.yaml", "name: a\nprompts: ['a\0']", "line 2: a NUL"),
    "a NUL in disguise": ("a.yaml", 'prompts: ["a\\0"]', "holds a NUL"),
    "half a character": ("a.json", '{"prompts": ["\\ud800"]}', "selection|prompts 1"),
    "nothing": ("a.yaml", "", "a mapping is expected"),
    "a list": ("a.yaml", "- a\n- b\n", "a mapping is expected"),
    "no prompts": ("a.yaml", "name: a\n", "has no prompts"),
    "both": ("a.yaml", "prompts: [a]\nselection: [b]\n", "has prompts and selection"),
    "a field of nobody's": ("a.yaml", "prompts: [a]\nseed: 1\n", "no suite has 'seed'"),
    "a field twice": ("a.yaml", "name: a\nprompts: [a]\nname: b\n", "line 3: name stands there twice"),
    "a field of a prompt twice": (
        "a.yaml",
        "prompts:\n- a\n- {prompt: a, prompt: b}",
        "line 3: prompt stands there twice",
    ),
    "a field twice in JSON": ("a.json", '{"prompts": [], "prompts": []}', "a field stands there twice"),
    "a field twice in a line": ("a.jsonl", '"a"\n{"prompt": "b", "prompt": "c"}', "line 2.*twice"),
    "what YAML takes for a truth": ("a.yaml", "prompts:\n- a\n- no\n", "line 3: 'no' is read as bool"),
    "what YAML takes for an hour": ("a.yaml", "prompts: [2020-01-01T10:00:00Z]", "read as timestamp"),
    "a text tagged as a mapping": ("a.yaml", "prompts:\n- !!map a", "line 2: a scalar is read as map"),
    "a text tagged as a list": ("a.yaml", "prompts:\n- !!seq a", "line 2: a scalar is read as seq"),
    "a list tagged as a number": ("a.yaml", "prompts:\n- !!int [1]", "line 2: a sequence is read as int"),
    "a list tagged as nothing": ("a.yaml", "prompts: !!null [a]", "line 1: a sequence is read as null"),
    "a list for a field": ("a.yaml", "!!str [a]: 1\n", "is no field"),
    "an octal number": ("a.yaml", "prompts: [{class_label: 010}]", "'010' is read as int"),
    "a number for a text": ("a.yaml", "prompts:\n- 7\n", "line 2: 7 is no prompt"),
    "a number in a field": ("a.yaml", "prompts:\n- {prompt: 7}\n", "line 2: prompt: Input should be a valid"),
    "a text for a number": ("a.jsonl", '{"class_label": "7"}', "line 1: class_label: Input should"),
    "a truth for a number": ("a.jsonl", '{"class_label": true}', "line 1: class_label: Input should"),
    "a text for tags": ("a.jsonl", '{"prompt": "a", "tags": "b"}', "line 1: tags: Input should"),
    "a text for a list": ("a.yaml", "prompts: a\n", "line 1: prompts is no list"),
    "a list of text for seeds": ("a.yaml", "seeds: [a]\nprompts: [a]\n", "seeds.0: Input should"),
    "no seed": ("a.yaml", "seeds: []\nprompts: [a]\n", "seeds: Tuple should have at least 1"),
    "a seed twice": ("a.yaml", "seeds: [1, 1]\nprompts: [a]\n", "a seed stands there twice"),
    "a prompt twice in YAML": (
        "a.yaml",
        "selection: [a]\nconfirmation:\n- b\n- a\n",
        "line 4: the prompt 'a' stands there twice, first in line 1",
    ),
    "a prompt twice in JSON": ("a.json", '{"prompts": ["a", "a"]}', "prompts 2: .*first in prompts 1"),
    "a prompt twice in CSV": ("a.csv", 'prompt\n"a\nb"\n"a\nb"\n', "line 5: .*twice, first in line 3"),
    "another column": ("a.csv", "prompt,colour\na,red\n", "line 2: 'colour' is no field"),
    "a column twice": ("a.csv", "prompt,prompt\na,b\n", "line 1: a column's name"),
    "no header": ("a.csv", "", "line 1: a column's name"),
    "semicolons": ("a.csv", "prompt;tags\na;b\n", "'prompt;tags' is no field"),
    "a cell too many": ("a.csv", "prompt\na red apple, noto style\n", "line 2: 2 cells for 1 columns"),
    "a quote that stays open": ("a.csv", 'prompt\n"a\n', "line 2: unexpected end of data"),
    "a label in words": ("a.csv", "class_label\nseven\n", "line 2: class_label: 'seven' is no whole number"),
    "another part": ("a.csv", "prompt,part\na,test\n", "line 2: part: 'test'"),
    "a part in the wrong list": ("a.yaml", "selection: [{prompt: a, part: confirmation}]", "line 1: part"),
    "UTF-16": ("a.csv", "prompt\na\n".encode("utf-16"), "line 1: not UTF-8"),
    "Latin-1": ("a.jsonl", b'"a"\n"caf\xe9"\n', "line 2: not UTF-8"),
    "another version": ("a.json", '{"schema_version": 2}', "schema version 2"),
    "variants in both parts": (
        "a.yaml",
        "selection: [a]\nconfirmation: [b, {prompt: A, variant_of: a}]\n",
        "variants of 'a' stand in selection and in confirmation",
    ),
    "a variant of a variant": (
        "a.yaml",
        "confirmation: [a, {prompt: A, variant_of: a}, {prompt: AA, variant_of: A}]\n",
        "'A' is a variant and has some",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named_with_its_place(case: str, tmp_path: Path) -> None:
    """A damaged or hostile file is one SuiteError of one line that names the file and the place, at once."""
    name, content, words = REFUSED[case]
    data = content if isinstance(content, bytes) else content.encode()
    (tmp_path / name).write_bytes(data)
    start = time.monotonic()
    with pytest.raises(SuiteError, match=words) as error:
        read_suite(tmp_path / name)
    assert time.monotonic() - start < 2.0
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("suffix", ["json", "yaml", "jsonl", "csv"])
def test_a_file_without_end_is_refused(suffix: str, tmp_path: Path) -> None:
    """More than 8 MiB are not read, wherever they come from."""
    (tmp_path / f"huge.{suffix}").symlink_to("/dev/zero")
    with pytest.raises(SuiteError, match=r"larger than 8\.0 MiB"):
        read_suite(tmp_path / f"huge.{suffix}")


almost = st.text("prompts:[]{}-\"'\n ,&*!|>#;part", max_size=60)


@given(data=st.binary(max_size=60) | almost.map(str.encode) | almost.map(lambda t: f"prompts: {t}".encode()))
@scratch
@pytest.mark.parametrize("suffix", ["json", "yaml", "jsonl", "csv"])
def test_any_bytes_are_a_suite_or_a_suite_error(suffix: str, data: bytes, tmp_path: Path) -> None:
    """Nothing but SuiteError comes out of a file that is no suite."""
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(data)
    with suppress(SuiteError):
        assert isinstance(read_suite(path), Suite)


@pytest.mark.parametrize(
    ("name", "changes", "comment", "words"),
    [
        ("a.csv", {"seeds": (0, 1, 2)}, "", "cannot hold this suite's seeds or tags"),
        ("a.jsonl", {"seeds": (7,)}, "", "cannot hold this suite's seeds or tags"),
        ("a.csv", {"confirmation": (Prompt(prompt="a", tags=("b;c",)),)}, "", "seeds or tags"),
        ("a.csv", {}, "how it was made", "has no room for a comment"),
        ("a.txt", {}, "", "is no name of a suite. End it in one of: .json, .yaml"),
        ("a.yaml", {"confirmation": (Prompt(prompt="\0"),)}, "", "holds a NUL"),
        ("a.json", {"name": "\ud800"}, "", "half a character"),
    ],
)
def test_what_a_format_cannot_hold_is_not_written(
    name: str, changes: dict[str, object], comment: str, words: str, tmp_path: Path
) -> None:
    """Nothing is lost in silence: where a file would read differently, there is none."""
    suite = Suite(name="a", selection=(), confirmation=(Prompt(prompt="a"),), seeds=(0, 1))
    with pytest.raises(SuiteError, match=words):
        write_suite(suite.model_copy(update=changes), tmp_path / name, comment=comment)
    assert not list(tmp_path.iterdir())


def test_a_comment_stands_above_and_changes_nothing(tmp_path: Path) -> None:
    """YAML begins with the comment, every line of it marked, and reads as without."""
    suite = Suite(name="a", selection=(), confirmation=(Prompt(prompt="# a"),), seeds=(0, 1))
    write_suite(suite, tmp_path / "a.yaml", comment="Made by hand.\n\nname: b")
    assert (tmp_path / "a.yaml").read_text().startswith("# Made by hand.\n#\n# name: b\nname:")
    assert read_suite(tmp_path / "a.yaml") == suite


def test_a_name_is_a_shipped_suite_and_a_path_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file comes before a shipped suite of its name, a folder does not; what is neither lists the names."""
    monkeypatch.chdir(tmp_path)
    name = shipped_suites()[0]
    assert find_suite(name).read_text().startswith("#")
    Path(name).mkdir()
    assert find_suite(name).is_file()
    Path(name).rmdir()
    Path(name).write_text("")
    assert find_suite(name) == Path(name)
    with pytest.raises(SuiteError, match=f"nowhere does not exist.*{', '.join(shipped_suites())}"):
        find_suite("nowhere")
