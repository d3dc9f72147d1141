"""Draws every icon on white at 64 pixels and writes images, captions and the split, once.

    python -m recipes.icons.render

Writes `images.npy` (icons, 64, 64, 3; uint8) and `icons.jsonl`, a line an icon in the same order.
"""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import resvg_py
from PIL import Image

from recipes.icons.captions import Splitter, concept_of, sample_weight
from recipes.icons.sets import HERE, SETS, IconSet

SIZE = 64
DATA = HERE.parents[1] / "runs" / "icons" / "data"
HELD_OUT = 0.05
HELD_OUT_PAIRS = 400
STYLES_THAT_TEACH = 2  # a held-out concept x style pair keeps at least so many other styles


def draw(svg: str) -> np.ndarray:
    """(64, 64, 3) uint8 on white; raises ValueError where the SVG does not render."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=SIZE, height=SIZE)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    canvas = Image.new("RGBA", (SIZE, SIZE), "white")
    canvas.alpha_composite(image, ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    return np.asarray(canvas.convert("RGB"))


def _svg(source: dict, name: str) -> str:
    icon = source["icons"][name]
    width = icon.get("width", source.get("width", 16))
    height = icon.get("height", source.get("height", 16))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>'


def _fraction(*parts: str) -> float:
    """A number in [0, 1) that depends on the text alone, so that the split never moves."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _render_set(icons: IconSet) -> tuple[list[dict], list[np.ndarray]]:
    source = icons.read()
    rows, images = [], []
    for name in sorted(source["icons"]):
        try:
            image = draw(_svg(source, name))
        except (ValueError, OSError):
            continue
        if image.min() > 250:  # invisible on white: nothing to learn from
            continue
        rows.append({"set": icons.name, "style": icons.style, "name": name})
        images.append(image)
    return rows, images


def _describe(rows: list[dict]) -> None:
    by_set: dict[str, frozenset[str]] = {
        s.name: frozenset(r["name"] for r in rows if r["set"] == s.name) for s in SETS
    }
    splitter = Splitter(name for s, names in by_set.items() if s != "fxemoji" for name in names)
    for row in rows:
        whole = splitter if row["set"] == "fxemoji" else None
        row["concept"], row["tone"] = concept_of(row["name"], by_set[row["set"]], whole)
        row["weight"] = sample_weight(row["concept"], row["tone"])


def _split(rows: list[dict]) -> None:
    """Marks each row train, held_out (5 % of icons), pair (concept x style, taught by others) or unseen."""
    styles: dict[str, set[str]] = {}
    trained = {s.name for s in SETS if s.train}
    for row in rows:
        row["split"] = "unseen"
        if row["set"] in trained:
            row["split"] = "held_out" if _fraction(row["set"], row["name"]) < HELD_OUT else "train"
        if row["split"] == "train" and not row["tone"]:
            styles.setdefault(row["concept"], set()).add(row["style"])
    candidates = [
        r
        for r in rows
        if r["split"] == "train"
        and r["weight"] == 1.0
        and len(styles.get(r["concept"], ())) > STYLES_THAT_TEACH
    ]
    candidates.sort(key=lambda r: _fraction("pair", r["concept"]))
    taken: set[str] = set()
    for concept in dict.fromkeys(r["concept"] for r in candidates):
        if len(taken) == HELD_OUT_PAIRS:
            break
        taken.add(concept)
        same = sorted(
            (r for r in candidates if r["concept"] == concept),
            key=lambda r: _fraction("style", concept, r["style"]),
        )
        style = same[0]["style"]
        for row in same:
            if row["style"] == style:
                row["split"] = "pair"


def main() -> None:
    with ProcessPoolExecutor() as pool:
        drawn = list(pool.map(_render_set, SETS))
    rows = [row for part, _ in drawn for row in part]
    images = np.stack([image for _, part in drawn for image in part])
    _describe(rows)
    _split(rows)
    DATA.mkdir(parents=True, exist_ok=True)
    np.save(DATA / "images.npy", images)
    (DATA / "icons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    counts = {k: sum(r["split"] == k for r in rows) for k in ("train", "held_out", "pair", "unseen")}
    print(f"{len(rows)} icons: {counts}")


if __name__ == "__main__":
    main()
