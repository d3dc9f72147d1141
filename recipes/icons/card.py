"""The model card and the data card of the icons model."""

from __future__ import annotations

import json

from recipes.icons.sets import HERE, SETS
from recipes.icons.training import Icons

MODELS = HERE.parents[1] / "src" / "burnish" / "models"
CARD = MODELS / "icons" / "README.md"


def data_card(icons: Icons) -> str:
    """Per set: how many icons, which licence, whose, from where, used for what."""
    lines = [
        "# Data of the icons model",
        "",
        "Icons rendered at 64 pixels on white; captions are the icons' names.",
        "",
        "| set | style word | icons | trained on | held out | licence | author | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for s in SETS:
        info, rows = s.info(), [r for r in icons.rows if r["set"] == s.name]
        trained = sum(r["split"] == "train" for r in rows)
        held = sum(r["split"] in ("held_out", "pair") for r in rows)
        author = info["author"]["name"]
        lines.append(
            f"| {s.name} | {s.style if s.train else '-'} | {len(rows)} | {trained} | {held} "
            f"| {s.spdx} | {author} | {info['author'].get('url', '')} |"
        )
    lines += [
        "",
        "Held out are 5 % of the icons of each trained set, by a hash of their names, and "
        f"{sum(r['split'] == 'pair' for r in icons.rows)} icons whose concept the other styles teach:",
        "",
        ", ".join(sorted(f"{r['concept']} ({r['style']})" for r in icons.rows if r["split"] == "pair")) + ".",
        "",
        "Variants of people by skin tone and gender are half of the icons; training draws each an "
        "eighth as often as other icons. Known limits: names are English; emoji carry their makers' "
        "choices of who does what, and the model repeats them.",
        "",
    ]
    return "\n".join(lines)


def card_numbers() -> dict:
    """The numbers that the packed model's card holds."""
    return json.loads(CARD.read_text().split("```json")[1].split("```")[0])


def model_card(results: dict) -> str:
    """README.md of the model directory, with the numbers that `evaluate` measured."""
    return "\n".join(
        [
            "---",
            "license: apache-2.0",
            "source: recipes/icons of Burnish",
            "tags:",
            "- text-to-image",
            "---",
            "# icons",
            "",
            "Text to a 64-pixel icon, in the layout of Stable Diffusion. Trained from scratch on icon sets "
            "under MIT and Apache-2.0; see DATA.md.",
            "",
            "Measured by the recipe's own evaluation:",
            "",
            "```json",
            json.dumps(results, indent=2),
            "```",
            "",
            'Prompts are an object, then a style: "red apple, noto style". Styles: '
            + ", ".join(s.style for s in SETS if s.train)
            + ".",
            "",
        ]
    )
