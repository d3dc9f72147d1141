"""A suite from the prompts that a model's users type: folded, cleaned, tagged, split."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from burnish.core.errors import SuiteError
from burnish.core.evidence import Prompt, Suite
from burnish.core.suites import csv_rows, jsonl_rows, part_of, read_file
from burnish.measure.perturb import variants

LONGEST = 2000  # letters; no text encoder reads more, and a pasted document is no prompt
SUBJECT_PROMPTS = 20  # a slice of fewer says next to nothing
SUBJECTS = 8  # tags for the most common words only: each is a question more
EMAIL = re.compile(r"\S@\S+\.\w")
DIGITS = re.compile(
    r"\d{7,}|(?:\d[ ().+/-]{0,2}){8,}\d"
)  # seven in a row, or nine with what people put between
WORD = re.compile(r"[^\W\d_]{3,}")
# Words that say how, not what.
FUNCTION_WORDS = frozenset(
    WORD.findall(
        "about above after all and any are around background behind below but can closeup detailed draw"
        " drawing from have having high her his holding image into its like made make near one only out over"
        " photo picture please quality render she some style that the their them there they this three"
        " through two under very wearing what with without you your"
    )
)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """A suite, and what was left out of it by reason: "empty", "folded", "private" or "long"."""

    suite: Suite
    read: int  # lines
    left_out: dict[str, int] = field(default_factory=dict)


def read_prompts(path: Path) -> list[str]:
    """Texts of a file, a line each; of .csv the column `prompt`, of .jsonl the field `prompt` or plain text.

    Whatever else stands beside a prompt, a name or a time, is not read. Raises SuiteError, OSError.
    """
    text = read_file(path)
    kind = path.suffix.lower()
    if kind == ".csv":
        return [_text(path, where, row) for where, row in csv_rows(path, text)]
    if kind == ".jsonl":
        return [_text(path, where, row) for where, row in jsonl_rows(path, text)]
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


def collect(
    texts: Sequence[str], name: str, seeds: Sequence[int] = (0, 1), *, perturb: bool = False
) -> Collected:
    """The suite of these prompts, and where `perturb` says so their variants; the same texts give the same.

    Left out: empty lines; what is longer than `LONGEST`; what looks private (an e-mail address, a long run of
    digits), which catches the obvious and is no promise; what differs from an earlier line in case and white
    space alone. Tags: "short" up to the median number of words, "long" above; "word:W" for the `SUBJECTS`
    most common words that say what is shown and stand in at least `SUBJECT_PROMPTS` of the prompts to
    confirm on and in no more than half of them. Raises SuiteError where nothing is left.
    """
    left_out: Counter[str] = Counter()
    kept = list(_kept(texts, left_out))
    if not kept:
        raise SuiteError(f"of {len(texts)} lines none is a prompt", "Give a text file, a prompt a line")
    lines = tagged(kept)
    if perturb:
        lines += [variant for base in lines for variant in variants(base)]
    lines = list({p.prompt: p for p in reversed(lines)}.values())[::-1]  # the first of those spelled alike
    parts = {part: tuple(p for p in lines if part_of(p) == part) for part in ("selection", "confirmation")}
    suite = Suite(name=name, seeds=tuple(seeds), **parts)
    return Collected(suite=suite, read=len(texts), left_out=dict(left_out))


def counts(found: Collected) -> dict[str, int | dict[str, int]]:
    """What was read, what was left out and why, and what the suite holds: prompts a part, variants, tags."""
    parts = {part: getattr(found.suite, part) for part in ("selection", "confirmation")}
    lines = [p for part in parts.values() for p in part]
    tags = Counter(tag for p in lines for tag in p.tags)
    return {
        "read": found.read,
        "left_out": found.left_out,
        **{part: sum(not p.variant_of for p in own) for part, own in parts.items()},
        "variants": sum(bool(p.variant_of) for p in lines),
        "tags": dict(tags.most_common()),
    }


def looks_private(text: str) -> bool:
    """Whether there is an e-mail address, or a run of digits as long as a telephone's, in any script."""
    plain = unicodedata.normalize("NFKC", text)
    return bool(EMAIL.search(plain) or DIGITS.search(plain))


def tagged(texts: Sequence[str]) -> list[Prompt]:
    """Each text with its proposed tags, see `collect`."""
    usual = median(len(text.split()) for text in texts)
    words = [set(WORD.findall(text.casefold())) - FUNCTION_WORDS for text in texts]
    judged = [own for t, own in zip(texts, words, strict=True) if part_of(Prompt(prompt=t)) == "confirmation"]
    counts = Counter(word for own in judged for word in own)
    common = [word for word, n in counts.items() if SUBJECT_PROMPTS <= n <= len(judged) / 2]
    subjects = sorted(common, key=lambda word: (-counts[word], word))[:SUBJECTS]
    return [
        Prompt(
            prompt=text,
            tags=(
                "short" if len(text.split()) <= usual else "long",
                *(f"word:{word}" for word in subjects if word in own),
            ),
        )
        for text, own in zip(texts, words, strict=True)
    ]


def _kept(texts: Iterable[str], left_out: Counter[str]) -> Iterator[str]:
    """The texts worth asking, in order, each the first of those that fold alike; counts the others."""
    seen: set[str] = set()
    for raw in texts:
        signs = (" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in raw)
        text = " ".join(unicodedata.normalize("NFC", "".join(signs)).split())
        why = _why_not(text, seen)
        if why:
            left_out[why] += 1
        else:
            seen.add(text.casefold())
            yield text


def _why_not(text: str, seen: Collection[str]) -> str:
    """The reason to leave a text out, or ""."""
    if not text:
        return "empty"
    if len(text) > LONGEST:
        return "long"
    if looks_private(text):
        return "private"
    return "folded" if text.casefold() in seen else ""


def _text(path: Path, where: str, row: Any) -> str:
    found = row.get("prompt") if isinstance(row, dict) else row
    if not isinstance(found, str):
        raise SuiteError(f"{path}, {where}: there is no prompt", "Name the column or the field `prompt`")
    return found
