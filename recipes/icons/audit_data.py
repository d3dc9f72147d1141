"""Writes what `burnish audit` compares icons with: the judge's features of all icons, and matched pictures.

    python -m recipes.icons.audit_data

Only sets under MIT and Apache-2.0 are in it, those that the model was trained on. Run it again after
`recipes.icons.pack judge`: features are of one judge alone.
"""

from __future__ import annotations

import numpy as np

from burnish.audit.data import Item, Matched, TrainingData, write_data, write_matched
from burnish.measure.judge import open_judge
from recipes.icons.captions import caption_of
from recipes.icons.card import MODELS
from recipes.icons.sets import SETS
from recipes.icons.training import Icons, read_icons

MATCHES = 100
TARGET = MODELS / "icons-audit"


def item(row: dict) -> Item:
    return Item(
        concept=row["concept"],
        tone=row["tone"],
        style=row["style"],
        source=row["set"],
        trained=row["split"] == "train",
    )


def matches(rows: list[dict], seed: int = 31) -> list[tuple[int, int]]:
    """(trained, held out) places of icons of one set and sampling weight, all of different concepts."""
    rng = np.random.default_rng(seed)
    used: set[str] = set()
    found = []
    order = rng.permutation(len(rows))
    for k in order:
        row = rows[k]
        if row["split"] != "held_out" or row["concept"] in used or len(found) == MATCHES:
            continue
        like = [
            j
            for j in order
            if rows[j]["split"] == "train"
            and rows[j]["set"] == row["set"]
            and rows[j]["weight"] == row["weight"]
            and rows[j]["concept"] not in used | {row["concept"]}
        ]
        if like:
            found.append((int(like[0]), int(k)))
            used |= {row["concept"], rows[like[0]]["concept"]}
    return found


def licence_note(rows: list[dict]) -> str:
    lines = [
        "# Data that the audit of the icons model compares with",
        "",
        "`features.safetensors`: the icons judge's features (float16) of every icon of the trained sets, "
        "`items.jsonl`: what each is. `matched.png`: 100 icons that were trained on above 100 that were held "
        "out, of the same sets and kinds; `matched.jsonl`: their captions. Icons are drawn at 64 pixels on "
        "white. Written by `recipes/icons/audit_data.py`.",
        "",
        "| set | icons | licence | author | source |",
        "|---|---|---|---|---|",
    ]
    for s in SETS:
        count = sum(row["set"] == s.name for row in rows)
        if count:
            author = s.info()["author"]
            lines.append(f"| {s.name} | {count} | {s.spdx} | {author['name']} | {author.get('url', '')} |")
    return "\n".join(lines) + "\n"


def matched(icons: Icons) -> Matched:
    places = matches(icons.rows)
    sides = []
    for side in zip(*places, strict=True):
        captions = [
            caption_of(icons.rows[k]["concept"], icons.rows[k]["tone"], icons.rows[k]["style"]) for k in side
        ]
        sides.append((np.stack([icons.images[k] for k in side]), tuple(captions)))
    return Matched(
        trained=sides[0][0], held_out=sides[1][0], trained_captions=sides[0][1], held_out_captions=sides[1][1]
    )


def main() -> None:
    icons = read_icons()
    keep = [k for k, row in enumerate(icons.rows) if row["split"] != "unseen"]
    rows = [icons.rows[k] for k in keep]
    judge = open_judge(MODELS / "icons-judge")
    data = TrainingData(
        name="icons",
        judge=judge.digest,
        items=tuple(map(item, rows)),
        features=judge.image_features(icons.images[keep]),
    )
    write_data(TARGET, data)
    write_matched(TARGET, matched(icons))
    (TARGET / "DATA.md").write_text(licence_note(rows))
    for path in sorted(TARGET.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
