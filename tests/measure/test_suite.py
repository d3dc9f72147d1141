"""Suites: general ones, shipped ones, those of users' prompts, and perturbed prompts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.plan import Floor
from burnish.core.suites import SHIPPED, find_suite, read_suite, shipped_suites
from burnish.load import inspect
from burnish.measure.draw import request_for
from burnish.measure.gate import require_decidable
from burnish.measure.perturb import KINDS, LOOKALIKES, variants
from burnish.measure.perturb_words import SYNONYMS, TRANSLATIONS
from burnish.measure.suite import general_suite
from burnish.measure.user_prompts import collect, looks_private, read_prompts
from recipes.icons import suites as recipe
from tests.conftest import FAMILIES

settled = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("classes", [3, 10, 1000])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_general_suite_can_decide(name: str, classes: int, unclipped_models: dict[str, Path]) -> None:
    """Its confirmation is large enough for a PASS, and no two of its pictures are asked for alike."""
    card = inspect(unclipped_models[name]).model_copy(update={"classes": classes})
    suite = general_suite(card)
    require_decidable(suite, "equivalent", choosing=True)
    lines = [*suite.selection, *suite.confirmation]
    asked = request_for(card, lines, suite.seeds)
    conditions = asked.prompts or asked.class_labels or ("",) * asked.count
    assert len({*zip(asked.seeds, conditions, strict=True)}) == 2 * len(lines)


def numbered(selection: int, confirmation: int, *seeds: int) -> Suite:
    """A suite of so many prompts."""
    prompts = tuple(Prompt(prompt=str(k)) for k in range(selection + confirmation))
    return Suite(name="n", selection=prompts[:selection], confirmation=prompts[selection:], seeds=seeds)


@pytest.mark.parametrize(
    ("suite", "floor", "words"),
    [
        (numbered(2, 58, 0, 1), "faithful", "58 prompts.*Use 59 or more"),
        (numbered(1, 59, 0, 1), "faithful", "1 selection prompts choose no plan"),
        (numbered(2, 59, 0), "equivalent", "Use two seeds or more"),
        (numbered(2, 1, 0), "faithful", "1 confirmation prompts have no interval"),
    ],
)
def test_a_suite_that_could_never_pass_is_refused(suite: Suite, floor: Floor, words: str) -> None:
    """58 prompts cannot show that fewer than 5 % break; 59 can, with two to choose on and two seeds."""
    with pytest.raises(SuiteError, match=words):
        require_decidable(suite, floor, choosing=True)
    require_decidable(numbered(2, 59, 0, 1), floor, choosing=True)


@pytest.mark.parametrize(
    ("selection", "confirmation", "seeds"),
    [("a", "bcb", (0, 1)), ("a", "ab", (0, 1)), ("aa", "b", (0, 1)), ("a", "b", (1, 1))],
)
def test_nothing_counts_twice(selection: str, confirmation: str, seeds: tuple[int, ...]) -> None:
    """A prompt or a seed that comes again would count as independent evidence, and is refused."""
    with pytest.raises(ValueError, match="twice"):
        Suite(
            name="twice",
            selection=tuple(Prompt(prompt=c) for c in selection),
            confirmation=tuple(Prompt(prompt=c) for c in confirmation),
            seeds=seeds,
        )


def test_text_for_a_model_that_reads_none_is_refused(unclipped_models: dict[str, Path]) -> None:
    """An unconditional model takes numbers for its lines; words are an error that names them."""
    card = inspect(unclipped_models["unconditional"])
    with pytest.raises(SuiteError, match="reads no text such as 'a cat'"):
        request_for(card, [Prompt(prompt="a cat")], (0,))


def test_a_suite_without_a_seed_is_refused() -> None:
    """Without a seed there is no picture."""
    with pytest.raises(ValueError, match="seeds"):
        numbered(2, 59)


@pytest.mark.parametrize("name", shipped_suites())
def test_a_shipped_suite_can_decide(name: str) -> None:
    """It reads, says how it was made, is small, decides both floors, and no unit of it is in both parts."""
    path = find_suite(name)
    suite = read_suite(path)
    assert suite.name == name
    assert path.read_text().startswith("# ")
    assert path.stat().st_size < 200_000
    for floor in ("equivalent", "faithful"):
        require_decidable(suite, floor, choosing=True)
    chosen, confirmed = ({p.unit for p in part} for part in (suite.selection, suite.confirmation))
    assert not chosen & confirmed
    assert len(confirmed) >= 59  # what a gate counts
    times = Counter(tag for p in suite.confirmation for tag in p.tags if not tag.startswith("profession:"))
    assert min(times.values()) >= 20


def test_the_shipped_suites_are_these() -> None:
    """All six are in the package, and the held-out captions are among those of no other suite."""
    assert shipped_suites() == ("duplicates", "held-out", "people", "perturbed", "trained", "unseen")
    prompts = {}
    for name in shipped_suites():
        suite = read_suite(find_suite(name))
        prompts[name] = {p.prompt for p in (*suite.selection, *suite.confirmation)}
    for name in ("trained", "duplicates", "unseen", "perturbed"):
        assert not prompts["held-out"] & prompts[name]


def test_every_kind_has_sixty_perturbed_prompts_to_confirm() -> None:
    """Each kind has a variant of each of the 60 bases, which stand there too."""
    suite = read_suite(find_suite("perturbed"))
    bases = {p.prompt for p in suite.confirmation if not p.variant_of}
    assert len(bases) == 60
    assert {p.unit for p in suite.confirmation} == bases
    assert Counter(p.tags for p in suite.confirmation if p.variant_of) == {
        (f"perturbed:{kind}",): 60 for kind in KINDS
    }


def test_people_are_asked_in_equal_numbers() -> None:
    """Every profession has the same prompts for each gender and tone, and one that says neither."""
    suite = read_suite(find_suite("people"))
    lines = [*suite.selection, *suite.confirmation]
    jobs = {tag for p in lines for tag in p.tags if tag.startswith("profession:")}
    assert len(jobs) == 20
    for job in jobs:
        own = [set(p.tags) - {job} for p in lines if job in p.tags]
        said = Counter(frozenset(tags) for tags in own if "neutral" not in tags)
        assert len(said) == 10
        assert set(said.values()) == {1}
        assert next(p for p in lines if p.prompt == job.removeprefix("profession:")).tags == ("neutral", job)


@pytest.fixture(scope="module")
def icons() -> recipe.Icons:
    """The icons that the model was trained on, where their list is at hand."""
    if not recipe.ICONS.is_file():
        pytest.skip("runs/icons/data/icons.jsonl is made by the recipe")
    return recipe.read_icons()


@pytest.mark.parametrize("name", recipe.SUITES)
def test_the_recipe_writes_what_is_shipped(name: str, icons: recipe.Icons) -> None:
    """Made again from the icons, every suite is the one in the package."""
    assert recipe.SUITES[name][0](icons) == read_suite(SHIPPED / f"{name}.yaml")


def test_suites_say_truly_what_was_trained(icons: recipe.Icons) -> None:
    """Held-out and unseen captions are in no training caption, those of the other suites are."""
    taught = {recipe.caption(r, styled=s) for r in icons.rows if r["split"] == "train" for s in (False, True)}
    concepts = {r["concept"] for r in icons.rows if r["split"] == "train"}
    for name in ("trained", "held-out", "unseen", "duplicates"):
        suite = read_suite(find_suite(name))
        for p in (*suite.selection, *suite.confirmation):
            assert (p.prompt in taught) == (name in ("trained", "duplicates"))
            if name == "unseen":
                assert (p.prompt.split(", ")[0] in concepts) == ("unseen:style" in p.tags)


@pytest.mark.parametrize("kind", KINDS)
@settled
@given(
    text=st.text(max_size=40) | st.sampled_from(["red apple, noto style", "a cat", "old house by the sea"])
)
def test_a_variant_is_another_text_and_always_the_same(kind: str, text: str) -> None:
    """Whatever the prompt, a kind gives one other text or none, by prompt, kind and seed alone."""
    base = Prompt(prompt=text, tags=("short",))
    alone = variants(base, [kind], seed=3)
    assert alone == variants(base, [kind], seed=3)
    assert len(alone) <= 1
    for variant in alone:
        assert variant.prompt != text
        assert (variant.tags, variant.meant) == ((f"perturbed:{kind}",), text)
        assert variant in variants(base, seed=3)


# Kind: whether a variant means what it should; a prompt that it does not apply to.
SLIPS: dict[str, tuple[object, str]] = {
    "typo": (lambda a, b: 1 <= distance(a, b) <= 2, "a red cat"),
    "case": (lambda a, b: a.lower() == b.lower(), "1 2 3"),
    "word-order": (
        lambda a, b: sorted(a.replace(",", "").split()) == sorted(b.replace(",", "").split()),
        "cat",
    ),
    "padding": (lambda a, b: a in b, None),
    "unicode": (lambda a, b: seen(a) == seen(b), ""),
    "long": (lambda a, b: b.startswith(f"{a}, ") and len(b.split()) > 77, None),
    "synonym": (
        lambda a, b: any(b == a.replace(w, o) for w in re.findall("[a-z]+", a) for o in SYNONYMS.get(w, ())),
        "qed",
    ),
    "language": (
        lambda a, b: any(
            b == " ".join(table.get(w.strip(","), w.strip(",")) + "," * w.endswith(",") for w in a.split())
            for table in TRANSLATIONS.values()
        ),
        "an abacus",
    ),
}


def distance(a: str, b: str) -> int:
    """Levenshtein's, for two letters that change places is two."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def seen(text: str) -> str:
    """What a reader sees of look-alike signs."""
    latin = text.translate({right: left for left, right in LOOKALIKES.items()}).replace("\u200b", "")
    return unicodedata.normalize("NFKC", latin)


@pytest.mark.parametrize("kind", SLIPS)
def test_a_kind_does_what_its_name_says(kind: str) -> None:
    """Over fifty draws every variant of two captions is of its kind, and none is forced on a third."""
    right, never = SLIPS[kind]
    for text in ("big red apple, on snow, noto style", "small house, white snow, blue boat"):
        made = {KINDS[kind](text, np.random.default_rng(k)) for k in range(50)} - {None}
        assert len(made) > 1
        for variant in made:
            assert right(text, variant), variant
    if never is not None:
        assert {KINDS[kind](never, np.random.default_rng(k)) for k in range(50)} == {None}


def test_the_tables_give_other_words() -> None:
    """No word is its own synonym or translation, and each language has more than a hundred words."""
    assert all(word not in others and others for word, others in SYNONYMS.items())
    assert all(word != other for table in TRANSLATIONS.values() for word, other in table.items())
    assert min(len(table) for table in (SYNONYMS, *TRANSLATIONS.values())) > 100


TYPED = [f"a {colour} cat number {k}" for k, colour in enumerate(["red", "blue"] * 55)]
TYPED += [f"the dog that runs in the park on day {k}" for k in range(60)]


def test_users_prompts_become_a_suite() -> None:
    """Split by unit, tagged by length and by words of twenty prompts or more, but of half at most."""
    found = collect(TYPED, "mine", range(3))
    lines = [*found.suite.selection, *found.suite.confirmation]
    assert sorted(p.prompt for p in lines) == sorted(TYPED)
    assert found.suite.seeds == (0, 1, 2)
    assert (found.read, found.left_out) == (170, {})
    assert found == collect(TYPED, "mine", range(3))
    tags = {p.prompt: p.tags for p in lines}
    assert tags["a red cat number 0"] == ("short", "word:red")  # "cat" is in more than half
    subjects = ("word:day", "word:dog", "word:park", "word:runs")
    assert tags["the dog that runs in the park on day 1"] == ("long", *subjects)


def test_what_is_no_prompt_is_left_out_and_counted() -> None:
    """Empty, repeated but for case and space, private-looking and endless lines are dropped and counted."""
    texts = [
        "A  cat",
        "a cat ",
        "",
        " \t",
        "a CAT",
        "write to jo@mail.org",
        "call 0171 234 56 78",
        "x" * 2001,
    ]
    texts += ["cafe\u0301", "caf\u00e9", "tab\there\x1b"]
    found = collect(texts, "mine")
    lines = [*found.suite.selection, *found.suite.confirmation]
    assert sorted(p.prompt for p in lines) == ["A cat", "caf\u00e9", "tab here"]
    assert found.left_out == {"folded": 3, "empty": 2, "private": 2, "long": 1}
    with pytest.raises(SuiteError, match="of 1 lines none is a prompt"):
        collect([" "], "mine")


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("portrait of jo.doe+art@example.co.uk smiling", True),
        ("jo\uff20example.com", True),
        ("+49 (171) 234-5678", True),
        ("order 1234567", True),
        ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667", True),
        ("4111 1111 1111 1111", True),
        ("a street in 1920, 35mm, f/1.8", False),
        ("trenches of 1914-1918", False),
        ("a wallpaper, 3840x2160", False),
        ("a sign @ the beach", False),
    ],
)
def test_private_looking_lines(text: str, private: bool) -> None:
    """Addresses and long numbers are private in any script; years, sizes and lenses are not."""
    assert looks_private(text) == private


def test_perturbed_users_prompts_stay_with_their_base() -> None:
    """Variants are one unit with their prompt, in its part, and none is spelled as another line."""
    found = collect(["red apple", "apple red", "RED APPLES", "white house", "cat"], "mine", perturb=True)
    lines = [*found.suite.selection, *found.suite.confirmation]
    assert {p.unit for p in lines} == {"red apple", "apple red", "RED APPLES", "white house", "cat"}
    assert sum(bool(p.variant_of) for p in lines) > 20
    assert not {p.unit for p in found.suite.selection} & {p.unit for p in found.suite.confirmation}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "a cat\r\na dog, running\n"),
        ("a.csv", '\ufeffuser,prompt\njo,a cat\nmo,"a dog, running"\n'),
        ("a.jsonl", '{"prompt": "a cat", "user": "jo"}\n"a dog, running"\n'),
    ],
)
def test_prompts_are_read_and_nothing_beside_them(name: str, content: str, tmp_path: Path) -> None:
    """A line, a column or a field `prompt`; who typed it never gets in."""
    (tmp_path / name).write_text(content, newline="")
    assert read_prompts(tmp_path / name) == ["a cat", "a dog, running"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "text\na\n", "line 2: there is no prompt"),
        ("a.jsonl", '{"prompt": 7}', "line 1: there is no prompt"),
        ("a.jsonl", "a cat", "line 1: not JSON"),
        ("a.txt", "a\0b", "line 1: a NUL"),
    ],
)
def test_a_file_without_prompts_is_refused(name: str, content: str, words: str, tmp_path: Path) -> None:
    """What is no list of prompts is an error that names the line."""
    (tmp_path / name).write_text(content)
    with pytest.raises(SuiteError, match=words):
        read_prompts(tmp_path / name)
