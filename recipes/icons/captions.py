"""Icon names into captions: words, skin tones spelled out, run-together names taken apart."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

TONES = ("medium-light", "medium-dark", "light", "medium", "dark")
TONE_INSIDE = re.compile(r"-(medium-light|medium-dark|light|medium|dark)-skin-tone(?=-)")
TONE_TAIL = re.compile(r"(?:-(medium-light|medium-dark|light|medium|dark)(?:-skin-tone)?)+$")
# People come in these variants; they are half of all icons and are drawn less often in training.
VARIANT_WORDS = frozenset({"man", "woman", "men", "women", "boy", "girl", "male", "female"})
LETTERS = 3  # shorter pieces must be known words, or run-together names fall apart into letters


def split_tone(name: str, names: frozenset[str]) -> tuple[str, str]:
    """("woman-firefighter", "medium skin tone") from a name; the tone is "" where there is none.

    Sets that leave "skin-tone" out ("boy-light") are recognised by the family of names beside it.
    """
    inside = TONE_INSIDE.findall(name)
    if inside and not TONE_TAIL.search(name):  # "person-medium-skin-tone-beard"
        return TONE_INSIDE.sub("", name), _tone(inside)
    tail = TONE_TAIL.search(name)
    if tail is None:
        return name, ""
    stem = name[: tail.start()]
    spelled = "skin-tone" in tail.group(0)
    if not spelled and not {f"{stem}-light", f"{stem}-dark"} <= names:
        return name, ""
    return stem, _tone(re.findall("|".join(TONES), tail.group(0)))


def _tone(tones: list[str]) -> str:
    return " and ".join(dict.fromkeys(tones)) + " skin tone"


class Splitter:
    """Takes "blackleftpointingarrow" apart by the most probable words of the other sets."""

    def __init__(self, names: Iterable[str]) -> None:
        counts = Counter(word for name in names for word in name.split("-") if word.isalpha())
        total = sum(counts.values())
        self.cost = {
            word: math.log(total / count) + 1.0
            for word, count in counts.items()
            if len(word) >= LETTERS or count >= 20
        }

    def split(self, text: str) -> list[str]:
        """Words of `text`; a stretch that no word explains stays whole, at a high price a letter."""
        best: list[tuple[float, int, bool]] = [(0.0, 0, True)]
        for end in range(1, len(text) + 1):
            best.append(
                min(
                    (
                        best[start][0] + self.cost.get(text[start:end], 8.0 * (end - start) + 8.0),
                        start,
                        text[start:end] in self.cost,
                    )
                    for start in range(max(0, end - 24), end)
                )
            )
        words: list[str] = []
        end = len(text)
        while end:
            start = best[end][1]
            words.append(text[start:end])
            end = start
        return words[::-1]


def concept_of(name: str, names: frozenset[str], splitter: Splitter | None) -> tuple[str, str]:
    """(concept, skin tone) of an icon name, both as plain words."""
    stem, tone = split_tone(name, names)
    words = [w for w in stem.split("-") if w]
    if splitter is not None:
        words = [w for run in words for w in splitter.split(run)]
    return " ".join(words), tone


def caption_of(concept: str, tone: str, style: str = "") -> str:
    """The caption as users would type it: "woman firefighter, medium skin tone, noto style"."""
    parts = [concept, tone, f"{style} style" if style else ""]
    return ", ".join(part for part in parts if part)


def sample_weight(concept: str, tone: str) -> float:
    """How often an icon is drawn in training: variants of people count for an eighth."""
    varied = bool(tone) or bool(VARIANT_WORDS & set(concept.split()))
    return 0.125 if varied else 1.0
