"""Perturbed prompts: what users type by accident or habit, meaning the same.

After the stochastic perturbations of ProTIP (Zhang et al., ECCV 2024, arXiv 2402.15429), whose five slips of
the keyboard (insert, substitute, swap, delete, neighbouring key) are the kind `typo` here. ProTIP keeps what
CLIP finds close to the original; here no model is asked; a kind is made so that a reader knows what is meant.
An empty prompt is no kind: it asks for nothing, so no picture of it can be right.

A kind is a pure function of a prompt and a generator, and gives None where it does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from burnish.core.evidence import Prompt
from burnish.measure.perturb_words import LANGUAGES, SYNONYMS, TRANSLATIONS

T = TypeVar("T")
Kind = Callable[[str, Generator], str | None]

LETTERS_TO_MISTYPE = 4  # a slip in a shorter word makes another word: cat, car
MIXED = 0.5  # of letters in capitals, where case is mixed
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
LOOKALIKES = str.maketrans("aceiopsxy", "асеіорѕху")  # the right ones are Cyrillic
WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(ord("!"), ord("~") + 1)})
AROUND = (
    "please draw {}",
    "can you make a picture of {}?",
    "an image of {}, thank you",
    "i would like {} please",
    "{}, high quality, best quality",
    "{}!!!",
    "   {}   ",
    '"{}"',
)
LONG = (
    "in the middle of the picture",
    "on a plain white background",
    "nothing else around it",
    "simple shapes and clear colours",
    "easy to recognize at a small size",
    "no text and no frame",
    "seen from the front",
    "with clean edges",
    "not too dark and not too bright",
    "the kind of picture that people send to their friends in a message",
    "for the header of a page that explains what this is",
    "as we have used it before in our other pictures",
)
TIMES_LONG = 2  # about two hundred tokens: beyond every CLIP text encoder's 77


def typo(prompt: str, rng: Generator) -> str | None:
    """One slip of the keyboard inside one word of four letters or more."""
    words = prompt.split(" ")
    able = [k for k, word in enumerate(words) if len(word) >= LETTERS_TO_MISTYPE and word.isalpha()]
    if not able:
        return None
    k = _pick(able, rng)
    word, at = words[k], int(rng.integers(1, len(words[k]) - 1))
    near = _neighbours(word[at].lower())
    slips = (
        word[:at] + _pick(near, rng) + word[at:],
        word[:at] + _pick("abcdefghijklmnopqrstuvwxyz", rng) + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + _pick(near, rng) + word[at + 1 :],
    )
    different = [slip for slip in slips if slip != word]
    return " ".join([*words[:k], _pick(different, rng), *words[k + 1 :]])


def case(prompt: str, rng: Generator) -> str | None:
    """Capitals throughout, at the beginning of each word, or here and there; or none."""
    mixed = "".join(c.upper() if rng.random() < MIXED else c.lower() for c in prompt)
    return _other(prompt, (prompt.upper(), prompt.title(), mixed, prompt.lower()), rng)


def synonym(prompt: str, rng: Generator) -> str | None:
    """One word by another name, of the table."""
    words = prompt.split(" ")
    able = [k for k, word in enumerate(words) if _bare(word) in SYNONYMS]
    if not able:
        return None
    k = _pick(able, rng)
    other = _pick(SYNONYMS[_bare(words[k])], rng)
    return " ".join([*words[:k], words[k].lower().replace(_bare(words[k]), other), *words[k + 1 :]])


def word_order(prompt: str, rng: Generator) -> str | None:
    """Other order of what commas part, or where there are none, of the words: at least one moves."""
    by = ", " if ", " in prompt else " "
    parts = prompt.split(by)
    if len(set(parts)) < 2:
        return None
    moved = [by.join(parts[k] for k in rng.permutation(len(parts))) for _ in range(4)]
    return _other(prompt, (*moved, by.join([*parts[1:], parts[0]])), rng)


def padding(prompt: str, rng: Generator) -> str | None:
    """Words, signs or space around the prompt that ask for nothing more."""
    return _pick(AROUND, rng).format(prompt)


def unicode(prompt: str, rng: Generator) -> str | None:
    """Signs that look alike and are others: Cyrillic letters, wide letters, unusual space, an unseen sign."""
    middle = len(prompt) // 2
    unseen = f"{prompt[:middle]}\u200b{prompt[middle:]}" if prompt else prompt
    spaced = prompt.replace(" ", "\u00a0")
    return _other(prompt, (prompt.translate(LOOKALIKES), prompt.translate(WIDE), spaced, unseen), rng)


def language(prompt: str, rng: Generator) -> str | None:
    """Word for word in German, French or Spanish, where at least half of the words are in the table."""
    words = prompt.split(" ")
    made = []
    for name in LANGUAGES:
        table = TRANSLATIONS[name]
        known = sum(_bare(word) in table for word in words)
        if 2 * known >= len(words):
            foreign = (
                word.lower().replace(_bare(word), table.get(_bare(word), _bare(word))) for word in words
            )
            made.append(" ".join(foreign))
    return _other(prompt, made, rng)


def long(prompt: str, rng: Generator) -> str | None:
    """The prompt, then more than any CLIP text encoder reads, so that what is asked comes first."""
    order = [k for _ in range(TIMES_LONG) for k in rng.permutation(len(LONG))]
    return ", ".join([prompt, *(LONG[k] for k in order)])


KINDS: dict[str, Kind] = {
    "typo": typo,
    "case": case,
    "synonym": synonym,
    "word-order": word_order,
    "padding": padding,
    "unicode": unicode,
    "language": language,
    "long": long,
}


def variants(base: Prompt, kinds: Iterable[str] = tuple(KINDS), seed: int = 0) -> list[Prompt]:
    """A variant of each kind that applies to `base`, tagged "perturbed:KIND".

    Each depends on the prompt, the kind and the seed alone, so that another prompt or kind changes none. What
    asks for nothing has none.
    """
    found: list[Prompt] = []
    for kind in kinds if base.prompt else ():
        number = sha256(f"{seed}\0{kind}\0{base.prompt}".encode()).digest()
        text = KINDS[kind](base.prompt, np.random.default_rng(int.from_bytes(number[:8], "big")))
        if text is not None and text != base.prompt and text not in [p.prompt for p in found]:
            found.append(
                base.model_copy(
                    update={"prompt": text, "tags": (f"perturbed:{kind}",), "variant_of": base.meant}
                )
            )
    return found


def _pick(options: Sequence[T], rng: Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _other(prompt: str, options: Iterable[str], rng: Generator) -> str | None:
    """One of the options that differ from the prompt, or None."""
    different = [text for text in options if text != prompt]
    return _pick(different, rng) if different else None


def _bare(word: str) -> str:
    """The word as tables have it, without the signs around it."""
    return word.lower().strip(".,;:!?\"'()")


def _neighbours(letter: str) -> str:
    """The letters beside a key, on its row of a QWERTY keyboard."""
    for row in KEYBOARD:
        at = row.find(letter)
        if at >= 0:
            return row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    return letter
