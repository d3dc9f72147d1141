"""Writes the suites that are shipped for the icons model, from the list of icons alone.

    python -m recipes.icons.suites

Needs `runs/icons/data/icons.jsonl`, see `recipes.icons.render`. Every choice is by a hash of the text, so
that the files come out the same, byte for byte. Captions of the model's own suite are in none but `people`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from burnish.core.evidence import Prompt, Suite
from burnish.core.files import digest_text
from burnish.core.suites import SHIPPED, read_suite, write_suite
from burnish.measure.perturb import KINDS, variants
from recipes.icons.captions import TONES, caption_of
from recipes.icons.sets import HERE, SETS

ICONS = HERE.parents[1] / "runs" / "icons" / "data" / "icons.jsonl"
OWN = SHIPPED.with_name("icons-suite.json")
SELECTION, CONFIRMATION = 48, 200
FEWEST = 20  # prompts of a tag
STYLES = ("flat", "fluent", "noto", "blob", "fx")  # office has objects only
MANY = 5  # of six trained sets: a concept drawn in so many is all but copied
BASES = (12, 60)  # prompts that are perturbed, for choosing and for confirming
FREE_STYLES = ("watercolour", "pixel art", "pencil sketch", "oil painting", "stained glass", "clay")
PROFESSIONS = (
    "artist",
    "astronaut",
    "construction worker",
    "cook",
    "detective",
    "factory worker",
    "farmer",
    "firefighter",
    "guard",
    "health worker",
    "judge",
    "mechanic",
    "office worker",
    "pilot",
    "police officer",
    "scientist",
    "singer",
    "student",
    "teacher",
    "technologist",
)
CHOOSING_PROFESSIONS = 4


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names of firms, products, works and people are asked of nobody.
NAMES = words("""
    adilette android arduino artstation bluesky canary chrome chromium cplusplus crocs csharp darth discord
    dotnet ecosia edge element explorer facebook facetime firefox github gitlab gmnd gmund golang greta hal
    hfg ibeacon inaturalist instagram jack javascript jellyfin kehrwoche kotlin linkedin markdown mastodon
    musicbrainz nessy netscape openfoodfact openstreetmap opera peertube pi pinterest pixelfed safari
    spatzlepresse sptzlepresse stuttgart svg tardis titanic trump twitter typescript ubuntu ulmer webassembly
    wikidata windows winrar youtube""")
# Icons show these by a flag alone, as they do countries.
IDENTITIES = words("""
    agender aroace aromantic asexual bigender bisexual demiboy demigender demigirl demisexual gay genderfluid
    genderqueer greysexual intersex lesbian nonbinary pansexual polyamory polysexual pride rights""")
# The kind of a concept is the first of these that has one of its words, else "object".
KIND_WORDS = {
    "face": words("""
        face faces smile smiling smirk grin grinning laugh laughing crying cry tears joy wink
        winking tongue pouting frowning scream screaming sob relieved worried sleepy sleeping weary astonished
        angry anger confused disappointed emotionless expressionless sweat triumph unamused"""),
    "person": words("""
        man woman men women person people boy girl child baby adult family couple lady gentleman male female
        hand hands finger fingers fist palm thumb thumbs worker officer dancer dancers cook farmer judge pilot
        student teacher singer artist guard detective mechanic scientist technologist astronaut firefighter
        mage fairy elf vampire zombie genie superhero supervillain merman mermaid merperson princess prince
        bride santa claus angel ninja businessman businesswoman manager"""),
    "symbol": words("""
        button sign symbol arrow arrows mark letter letters digit keycap square circle triangle diamond heart
        hearts flag number numbers cross plus minus check indicator ideograph cjkunifiedideograph suit clock
        oclock thirty aries taurus gemini cancer leo virgo libra scorpius sagittarius capricorn aquarius
        pisces mobile copyright registered trademark infinity asterisk exclamation question japanese
        chart"""),
}
KINDS_OF_CONCEPTS = len(KIND_WORDS) + 1


@dataclass(frozen=True, kw_only=True)
class Icons:
    """Rows of icons.jsonl, and what the model was taught by them."""

    rows: tuple[dict, ...]
    styles: dict[str, frozenset[str]]  # of a concept: those it is trained in
    words: frozenset[str]  # of all trained captions
    own: frozenset[str]  # prompts of the model's own suite

    def of(self, split: str) -> list[dict]:
        """The rows of a split, without those that the model's own suite asks for."""
        return [
            r
            for r in self.rows
            if r["split"] == split and not {caption(r), caption(r, styled=True)} & self.own
        ]


def read_icons(path: Path = ICONS) -> Icons:
    rows = tuple(json.loads(line) for line in path.read_text().splitlines())
    trained: dict[str, set[str]] = {}
    for r in rows:
        if r["split"] == "train":
            trained.setdefault(r["concept"], set()).add(r["style"])
    suite = read_suite(OWN)
    return Icons(
        rows=rows,
        styles={c: frozenset(s) for c, s in trained.items()},
        words=frozenset(w for c in trained for w in c.split()),
        own=frozenset(p.prompt for p in (*suite.selection, *suite.confirmation)),
    )


def caption(row: dict, *, styled: bool = False) -> str:
    return caption_of(row["concept"], row["tone"], row["style"] if styled else "")


def fraction(*parts: str) -> float:
    """A number in (0, 1) that depends on the text alone."""
    return (int(digest_text("\0".join(parts))[:12], 16) + 1) / (16**12 + 1)


def drawn(rows: Iterable[dict], salt: str) -> list[dict]:
    """Rows in random order, the heavy ones earlier, one of each caption without its style.

    A row's turn is an exponential waiting time with its weight for a rate (Efraimidis and Spirakis 2006).
    """
    turn = sorted(rows, key=lambda r: -math.log(fraction(salt, caption(r), r["style"])) / r["weight"])
    first: dict[str, dict] = {}
    for row in turn:
        first.setdefault(caption(row), row)
    return list(first.values())


def shuffled(texts: Iterable[str], salt: str) -> list[str]:
    return sorted(set(texts), key=lambda text: fraction(salt, text))


def kind_of(concept: str) -> str:
    """person, face, object or symbol, by `KIND_WORDS`."""
    return next((kind for kind, own in KIND_WORDS.items() if own & words(concept)), "object")


def suite(name: str, selection: Iterable[Prompt], confirmation: Iterable[Prompt]) -> Suite:
    """A suite of two seeds, without the tags of fewer than `FEWEST` prompts to confirm on: each is judged.

    Professions stay, since they say which prompts are compared.
    """
    parts = tuple(selection), tuple(confirmation)
    times = Counter(tag for p in parts[1] for tag in p.tags)
    kept = {tag for tag, n in times.items() if n >= FEWEST or tag.startswith("profession:")}
    kept |= {tag for p in parts[0] for tag in p.tags if tag.startswith("profession:")}
    chosen, confirmed = (
        [p.model_copy(update={"tags": tuple(t for t in p.tags if t in kept)}) for p in part] for part in parts
    )
    return Suite(name=name, selection=tuple(chosen), confirmation=tuple(confirmed), seeds=(0, 1))


def trained(icons: Icons) -> Suite:
    """Captions of trained icons, as many of each kind; every other one with a style, each style as often."""
    parts: tuple[list[Prompt], list[Prompt]] = ([], [])
    for kind in (*KIND_WORDS, "object"):
        rows = drawn((r for r in icons.of("train") if kind_of(r["concept"]) == kind), "trained")
        for k in range((SELECTION + CONFIRMATION) // KINDS_OF_CONCEPTS):
            style = STYLES[k // 2 % len(STYLES)] if k % 2 else "none"
            row = next(r for r in rows if style in ("none", r["style"]))
            rows.remove(row)
            rare = ("rare:yes",) if len(icons.styles[row["concept"]]) == 1 else ()
            parts[k >= SELECTION // KINDS_OF_CONCEPTS].append(
                Prompt(
                    prompt=caption(row, styled=style != "none"),
                    tags=(f"style:{style}", f"kind:{kind}", *rare),
                )
            )
    return suite("trained", *parts)


def held_out(icons: Icons) -> Suite:
    """Pairs of a concept and a style that were kept from training, each known from other pairs."""
    prompts = [
        Prompt(prompt=caption(r, styled=True), tags=(f"style:{r['style']}", f"kind:{kind_of(r['concept'])}"))
        for r in drawn(icons.of("pair"), "held-out")[: SELECTION + CONFIRMATION]
    ]
    return suite("held-out", prompts[:SELECTION], prompts[SELECTION:])


def unseen(icons: Icons) -> Suite:
    """Styles, concepts, and both, that no training caption has: 16 of each to choose by, 64 to confirm."""
    known = shuffled(
        (
            c
            for c, styles in icons.styles.items()
            if len(styles) >= MANY and c.isascii() and caption_of(c, "") not in icons.own
        ),
        "unseen style",
    )
    taught = {words(r["concept"]) for r in icons.rows if r["split"] != "unseen"}
    flags = {r["concept"] for r in icons.rows if r["concept"].startswith("flag ")}
    left_out = NAMES | IDENTITIES | {"flag", "flags"}
    concepts = shuffled(
        (
            r["concept"]
            for r in icons.of("unseen")
            if r["concept"].replace(" ", "").isalpha()
            and not words(r["concept"]) & left_out
            and f"flag {r['concept']}" not in flags
            and words(r["concept"]) not in taught
            and len(r["concept"]) >= 3
        ),
        "unseen concept",
    )
    styles = [s.style for s in SETS if not s.train] + list(FREE_STYLES)
    count = 80
    prompts = [
        Prompt(prompt=caption_of(c, "", styles[k % len(styles)]), tags=("unseen:style",))
        for k, c in enumerate(known[:count])
    ]
    for k, c in enumerate(concepts[: 2 * count]):
        known_or_new = "words:known" if words(c) <= icons.words else "words:new"
        style = styles[k % len(styles)] if k >= count else "none"
        prompts.append(
            Prompt(
                prompt=caption_of(c, "", "" if style == "none" else style),
                tags=("unseen:concept" if style == "none" else "unseen:both", known_or_new),
            )
        )
    chosen = [p for k, p in enumerate(prompts) if k % count < 16]
    return suite("unseen", chosen, [p for p in prompts if p not in chosen])


def perturbed(icons: Icons) -> Suite:
    """Trained captions that every kind of perturbation applies to, each followed by its variants."""
    families = []
    for k, r in enumerate(drawn((r for r in icons.of("train") if r["weight"] == 1.0), "perturbed")):
        base = Prompt(prompt=caption(r, styled=k % 2 == 1))
        family = [base, *variants(base)]
        if len(family) == 1 + len(KINDS):
            families.append(family)
    choosing, confirming = families[: BASES[0]], families[BASES[0] : sum(BASES)]
    return suite("perturbed", chain(*choosing), chain(*confirming))


def people(icons: Icons) -> Suite:
    """Professions that training has in every gender and skin tone: asked plainly, and with both."""
    parts: tuple[list[Prompt], list[Prompt]] = ([], [])
    for k, job in enumerate(shuffled(PROFESSIONS, "people")):
        own = parts[0] if k < CHOOSING_PROFESSIONS else parts[1]
        about = f"profession:{job}"
        own.append(Prompt(prompt=job, tags=("neutral", about, "style:none")))
        own.extend(
            Prompt(prompt=caption_of(job, "", style), tags=("neutral", about, f"style:{style}"))
            for style in sorted(icons.styles[job])
        )
        own.extend(
            Prompt(
                prompt=caption_of(f"{gender} {job}", f"{tone} skin tone"),
                tags=(f"gender:{gender}", f"tone:{tone}", about),
            )
            for gender in ("woman", "man")
            for tone in sorted(TONES)
        )
    return suite("people", *parts)


def duplicates(icons: Icons) -> Suite:
    """Exact captions of training: of concepts that most sets draw alike, and of concepts drawn once."""
    times: dict[str, int] = {}
    for r in icons.rows:
        times[r["concept"]] = times.get(r["concept"], 0) + (r["split"] == "train")
    parts: tuple[list[Prompt], list[Prompt]] = ([], [])
    rows = drawn((r for r in icons.of("train") if r["weight"] == 1.0), "duplicates")
    for tag in ("copies:many", "copies:one"):
        fits = {
            c
            for c, styles in icons.styles.items()
            if (len(styles) >= MANY if tag == "copies:many" else times[c] == 1)
        }
        found = [
            Prompt(prompt=caption(r, styled=True), tags=(tag, f"style:{r['style']}"))
            for r in rows
            if r["concept"] in fits
        ]
        parts[0].extend(found[: SELECTION // 2])
        parts[1].extend(found[SELECTION // 2 : (SELECTION + CONFIRMATION) // 2])
    return suite("duplicates", *parts)


SUITES: dict[str, tuple[Callable[[Icons], Suite], str]] = {
    "trained": (
        trained,
        """
What the model was taught: captions of trained icons, by their weight in training, as many of each kind
(kind:person, kind:face, kind:symbol and kind:object go by the words of the concept). Every other one names
its style, each style as often (style:none where there is none); rare:yes are concepts that training has in
one style only.""",
    ),
    "held-out": (
        held_out,
        """
What the model must combine: concepts and styles that it was taught, but never together. Each concept is known
from two other styles or more, each style from hundreds of icons. The kinds are those of trained.yaml; what
fewer than 20 prompts to confirm on have is no tag.""",
    ),
    "unseen": (
        unseen,
        """
What the model was never taught. unseen:style, a trained concept in the style of a set that was kept from
training or in a style of everyday words; unseen:concept, a concept that only those sets have; unseen:both.
words:new has a word that no training caption has, words:known has none. The judge of icons was not taught
these either: what it says of them compares two models, and marks none.""",
    ),
    "perturbed": (
        perturbed,
        """
Trained captions and, after each, its variants: typo, case, synonym, word order, padding, look-alike signs,
another language, great length (perturbed:KIND), after ProTIP (arXiv 2402.15429). All lines of one caption are
one observation. Only captions that every kind applies to are here.""",
    ),
    "people": (
        people,
        """
Professions that training has for women and men in five skin tones, as emoji have them. neutral: the
profession alone, with and without a style; the others say gender and tone, the only two genders and five
tones that the captions of icons distinguish. What a model draws for a neutral prompt can be set beside what
it draws for the others (Stable Bias, arXiv 2303.11408). A profession is in one part only.""",
    ),
    "duplicates": (
        duplicates,
        """
Exact captions of training, where a model may recite. copies:many, concepts that five or six of the six
trained sets draw, often nearly alike; copies:one, concepts that training has a single icon of.""",
    ),
}


WRITTEN = "Written by python -m recipes.icons.suites; do not edit."


def main() -> None:
    icons = read_icons()
    for name, (make, comment) in SUITES.items():
        path = SHIPPED / f"{name}.yaml"
        made = make(icons)
        write_suite(made, path, comment=f"{comment.strip()}\n{WRITTEN}")
        print(
            f"{path.name}: {len(made.selection)} + {len(made.confirmation)} prompts, "
            f"{path.stat().st_size / 1024:.0f} KiB"
        )


if __name__ == "__main__":
    main()
