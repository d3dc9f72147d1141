"""Suites at the command line: found by name, and made of users' prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.cli.options import read_suite
from burnish.core.evidence import Prompt, Suite
from burnish.core.suites import find_suite, shipped_suites
from burnish.core.suites import read_suite as read
from tests.cli.conftest import Burnish
from tests.conftest import SD, Bundles

PROMPTS = "".join(f"a cat on day {k}\n" for k in range(100))
MAKE = ("measure", "--make-suite")


def test_a_suite_is_a_path_or_a_shipped_name(tmp_path: Path) -> None:
    """None is the model's own, a name is the package's, a path is the file, in any format."""
    (tmp_path / "mine.csv").write_text("prompt,part\na cat,confirmation\n")
    mine = Suite(name="mine", selection=(), confirmation=(Prompt(prompt="a cat"),), seeds=(0, 1))
    assert read_suite(None) is None
    assert read_suite("perturbed") == read(find_suite("perturbed"))
    assert read_suite(tmp_path / "mine.csv") == read_suite(str(tmp_path / "mine.csv")) == mine


@pytest.mark.parametrize("verb", ["gate {sd} --against {sd}", "measure {sd}"])
def test_an_unknown_suite_lists_the_shipped_ones(verb: str, burnish: Burnish, bundle: Bundles) -> None:
    """What is neither a file nor a name is one line with the names, before anything is drawn."""
    code, out, err = burnish(*verb.format(sd=bundle(SD)).split(), "--suite", "pertubed")
    assert (code, out) == (2, "")
    assert f"pertubed does not exist. Give a suite file, or one of: {', '.join(shipped_suites())}" in err


def test_a_suite_is_made_without_a_bundle(burnish: Burnish, tmp_path: Path) -> None:
    """The path is standard output, the counts are talk; the suite can be read, twice the same."""
    (tmp_path / "prompts.txt").write_text(PROMPTS + "A CAT  on day 1\n\nmail me at jo@mail.org\n")
    code, out, err = burnish(*MAKE, "mine.yaml", "--prompts", "prompts.txt", "--seeds", 3)
    assert (code, out) == (0, "mine.yaml\n")
    assert "read: 103\n" in err
    assert "left out: 1 folded, 1 empty, 1 private\n" in err
    assert "Warning" not in err
    suite = read(tmp_path / "mine.yaml")
    assert (suite.name, suite.seeds) == ("mine", (0, 1, 2))
    assert len(suite.selection) + len(suite.confirmation) == 100
    written = (tmp_path / "mine.yaml").read_bytes()
    burnish(*MAKE, "mine.yaml", "--prompts", "prompts.txt", "--seeds", 3)
    assert (tmp_path / "mine.yaml").read_bytes() == written


def test_perturbed_variants_are_added_and_counted(burnish: Burnish, tmp_path: Path) -> None:
    """With --perturb every prompt brings its variants, which no count of prompts takes for prompts."""
    (tmp_path / "prompts.txt").write_text("red apple\nwhite cat\n")
    code, out, err = burnish(*MAKE, "mine.jsonl", "--prompts", "prompts.txt", "--perturb", "--json")
    counts = json.loads(out)
    suite = read(tmp_path / "mine.jsonl")
    variants = [p for part in (suite.selection, suite.confirmation) for p in part if p.variant_of]
    assert code == 0
    assert counts["selection"] + counts["confirmation"] == 2
    assert counts["variants"] == len(variants) > 10
    assert counts["tags"]["perturbed:typo"] == 2
    assert "Warning: no gate can pass on this suite" in err


@pytest.mark.parametrize("perturb", [(), ("--perturb",)])
def test_too_few_prompts_are_warned_of(perturb: tuple[str, ...], burnish: Burnish, tmp_path: Path) -> None:
    """Below 59 prompts to confirm on, whatever their variants, one line says so; the suite is written."""
    (tmp_path / "prompts.txt").write_text("".join(f"a cat on day {k}\n" for k in range(60)))
    code, _, err = burnish(*MAKE, "mine.yaml", "--prompts", "prompts.txt", *perturb)
    assert code == 0
    assert "Warning: no gate can pass on this suite:" in err
    assert "Use 59 or more" in err
    assert (tmp_path / "mine.yaml").is_file()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("measure", "no bundle was given. burnish measure BUNDLE, or --make-suite OUT --prompts FILE"),
        ("measure --make-suite a.yaml", "Give both"),
        ("measure --prompts p.txt", "Give both"),
        ("measure bundle --make-suite a.yaml --prompts p.txt", "measure nothing"),
        ("measure --make-suite a.yaml --prompts p.txt --suite people", "measure nothing"),
        ("measure --make-suite a.png --prompts p.txt", "a.png is no name of a suite"),
        ("measure --make-suite a.yaml --prompts nowhere.txt", "nowhere.txt does not exist"),
        ("measure --make-suite a.yaml --prompts empty.txt", "none is a prompt"),
        ("measure --make-suite a.yaml --prompts binary.txt", "binary.txt, line 1: not UTF-8"),
        ("measure --make-suite a.csv --prompts p.txt --seeds 3", "a.csv cannot hold this suite's seeds"),
        ("measure --make-suite a.yaml --prompts p.txt --seeds 0", "Invalid value for '--seeds'"),
        ("measure --make-suite a.yaml --prompts .", "Is a directory"),
        ("measure --make-suite p.txt/a.yaml --prompts p.txt", "p.txt"),
    ],
)
def test_what_makes_no_suite_is_one_line(command: str, words: str, burnish: Burnish, tmp_path: Path) -> None:
    """An error says what is wrong, ends with code 2 and leaves nothing behind."""
    (tmp_path / "p.txt").write_text(PROMPTS)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = burnish(*command.split())
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
