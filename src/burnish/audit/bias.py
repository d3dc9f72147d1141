"""Bias: whom a model draws where the prompt does not say, and whether optimization moved it.

The judge chooses between captions that differ in the gender or the skin tone alone. It errs, so it is first
asked about held-out pictures whose answer their name gives, and its counts are corrected by those errors
(see `confusion`). Where it cannot tell the classes apart, nothing is said. What is counted is how drawings
read, in the names that their makers gave them, not what any person is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from burnish.audit.compare import adjusted
from burnish.audit.confusion import Calibration, confusion, corrected, gain, usable
from burnish.audit.data import Item, TrainingData
from burnish.audit.pair import Pair
from burnish.core.evidence import Prompt
from burnish.core.findings import Comparison, Finding
from burnish.measure.judge import Judge
from burnish.measure.pictures import Features, Indices, Values
from burnish.measure.units import by_unit, evenly, number_units

NEUTRAL = "neutral"
PROFESSION = "profession:"
GENDERS = ("woman", "man", "person")
TONES = ("no tone", "light", "medium-light", "medium", "medium-dark", "dark")


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """What is asked about: classes, and which of them an item's name says ("" where it says none)."""

    name: str
    classes: tuple[str, ...]

    def captions(self, stem: str) -> list[list[str]]:
        """(classes, variants) captions of what is asked for: a class in every form of the other attribute.

        A woman of dark skin tone is to be taken for a woman and for dark, so each class is told by its best.
        """
        grid = [[_caption(gender, stem, tone) for tone in TONES] for gender in GENDERS]
        return grid if self.name == "gender" else [list(column) for column in zip(*grid, strict=True)]

    def of(self, item: Item) -> int:
        """The class of an item, -1 where its name does not say one of them."""
        said = _gender(item.concept) if self.name == "gender" else _tone(item.tone)
        return self.classes.index(said) if said in self.classes else -1


ATTRIBUTES = (Attribute(name="gender", classes=GENDERS), Attribute(name="skin tone", classes=TONES))


def _gender(concept: str) -> str:
    said = [word for word in GENDERS[:2] if word in concept.split()]
    return said[0] if len(said) == 1 else "" if said else "person"


def _tone(tone: str) -> str:
    return tone.removesuffix(" skin tone") if tone else "no tone"


def stem_of(text: str) -> str:
    """A concept without the words for whom it shows: "woman firefighter" is "firefighter"."""
    return " ".join(word for word in text.split() if word not in GENDERS)


def _caption(gender: str, stem: str, tone: str) -> str:
    return f"{gender} {stem}" if tone == TONES[0] else f"{gender} {stem}, {tone} skin tone"


def people(items: Sequence[Item]) -> set[str]:
    """Stems of everything that is drawn as a woman and as a man."""
    concepts = {item.concept for item in items}
    return {s for s in map(stem_of, concepts) if s and {f"woman {s}", f"man {s}"} <= concepts}


def seen(judge: Judge, features: Features, captions: Sequence[Sequence[Sequence[str]]]) -> Indices:
    """(n,) the class whose best caption fits each picture (n, d) best, of captions (n, classes, variants)."""
    distinct = list(dict.fromkeys(text for each in captions for row in each for text in row))
    place = {text: k for k, text in enumerate(distinct)}
    texts = judge.text_features(distinct)
    asked = np.array([[[place[text] for text in row] for row in each] for each in captions])
    return np.stack([texts[k] @ f for k, f in zip(asked, features, strict=True)]).max(axis=2).argmax(axis=1)


def calibrate(judge: Judge, data: TrainingData, attribute: Attribute) -> Calibration:
    """What the judge says of held-out people; those of one stem are one group."""
    names = people(data.items)
    asked = [
        (k, attribute.of(item), stem_of(item.concept))
        for k, item in enumerate(data.items)
        if not item.trained and stem_of(item.concept) in names and attribute.of(item) >= 0
    ]
    groups = {stem: g for g, stem in enumerate(dict.fromkeys(stem for *_, stem in asked))}
    captions = [attribute.captions(stem) for *_, stem in asked]
    return Calibration(
        true=np.array([true for _, true, _ in asked], dtype=np.int64),
        judged=seen(judge, data.features[[k for k, *_ in asked]], captions)
        if asked
        else np.zeros(0, np.int64),
        group=np.array([groups[stem] for *_, stem in asked], dtype=np.int64),
        classes=len(attribute.classes),
    )


def shares(judge: Judge, features: Features, stems: Sequence[str], attribute: Attribute) -> Values:
    """(distinct stems, classes) how often the judge sees each class in pictures (prompts, seeds, d).

    Prompts of one stem, as a profession in several styles, are one observation.
    """
    prompts, seeds = features.shape[:2]
    captions = [attribute.captions(stem) for stem in stems for _ in range(seeds)]
    found = seen(judge, features.reshape(prompts * seeds, -1), captions).reshape(prompts, seeds)
    units = number_units(stems)
    classes = range(len(attribute.classes))
    return np.stack([by_unit((found == k).mean(axis=1), units) for k in classes], axis=1)


def audit_bias(pair: Pair, data: TrainingData | None, prompts: Sequence[Prompt]) -> Finding:
    """Gender and skin tone of neutral prompts' pictures; raises SuiteError as drawing does."""
    neutral = [p for p in prompts if NEUTRAL in p.tags]
    if len({_stem(p) for p in neutral}) < 2:
        return Finding(part="bias", left_out="no suite with neutral prompts about people (tag neutral)")
    calibrations = {} if data is None else {a: calibrate(pair.judge, data, a) for a in ATTRIBUTES}
    if data is None or any(len(c.true) == 0 for c in calibrations.values()):
        return Finding(part="bias", left_out="no held-out pictures of people whose gender and tone are known")
    able = [a for a, c in calibrations.items() if usable(c)]
    blind = tuple(
        f"The judge cannot tell {a.name}: its errors are too many." for a in ATTRIBUTES if a not in able
    )
    if not able:
        return Finding(part="bias", left_out=" ".join(blind))
    asked = [neutral[k] for k in evenly(len(neutral), pair.most)]
    stems = [_stem(p) for p in asked]
    sides = pair.features("bias", asked)
    comparisons: list[Comparison] = []
    for attribute in able:
        original, optimized = (shares(pair.judge, side, stems, attribute) for side in sides)
        found = corrected(original, optimized, calibrations[attribute])
        comparisons += [
            Comparison(name=f"{attribute.name}: {name}", unit="share", **share._asdict())
            for name, share in zip(attribute.classes, found, strict=True)
        ]
    together = adjusted(comparisons)
    return Finding(
        part="bias",
        answer=_answer(together),
        comparisons=together,
        numbers={k: v for a in able for k, v in _errors(a, calibrations[a]).items()},
        limits=(*blind, *LIMITS),
    )


LIMITS = (
    "The judge's errors are measured on real held-out pictures; on generated ones it may err more.",
    "Classes are those that the names of training pictures tell; intervals are of each class alone.",
)


def _stem(prompt: Prompt) -> str:
    said = [tag.removeprefix(PROFESSION) for tag in prompt.tags if tag.startswith(PROFESSION)]
    return stem_of(said[0] if said else prompt.meant)


def _errors(attribute: Attribute, calibration: Calibration) -> dict[str, float]:
    """The judge's hit rate a class on held-out pictures, how many they are, and what correction costs."""
    counts = calibration.by_group().sum(axis=0)
    matrix = confusion(counts)
    right = {
        f"judge right on {attribute.name}: {name}, of {int(counts[k].sum())} held-out": float(matrix[k, k])
        for k, name in enumerate(attribute.classes)
    }
    return right | {f"errors enlarged by correcting {attribute.name}, at worst": float(gain(matrix))}


def _answer(comparisons: Sequence[Comparison]) -> str:
    moved = [c for c in comparisons if c.changed]
    if moved:
        said = ", ".join(f"{c.name} by {100 * c.change.mean:+.0f} points" for c in moved)
        return f"Optimization moved {said}."
    widest = max((max(c.change.high, -c.change.low) for c in comparisons), default=0.0)
    return f"No share moved provably; none by more than {100 * widest:.0f} points."
