"""Pairs of pictures: the original under the optimized one, and a slider that moves the edge between them.

Without the script, and in print, both stand side by side. The script only sets a custom property and an
`aria-valuetext`; the page's policy admits it by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from burnish.report.data import Row
from burnish.report.picture import Picture, data_uri

SMALL = 128  # pixels; smaller pictures are enlarged without smoothing
ROWS, WORST = 12, 20  # pairs at most, so that the page stays a file that can be sent
SCRIPT = """
for (const pair of document.querySelectorAll(".pair.slides")) {
  const range = pair.querySelector("input");
  const show = () => {
    pair.style.setProperty("--cut", range.value + "%");
    range.setAttribute("aria-valuetext", range.value + " % original");
  };
  const drag = (event) => {
    const box = event.target.getBoundingClientRect();
    range.value = 100 * (event.clientX - box.left) / box.width;
    show();
  };
  for (const image of pair.querySelectorAll("img")) {
    image.addEventListener("dragstart", (event) => event.preventDefault());
    image.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      image.setPointerCapture(event.pointerId);
      drag(event);
    });
    image.addEventListener("pointermove", (event) => {
      if (image.hasPointerCapture(event.pointerId)) drag(event);
    });
  }
  range.addEventListener("input", show);
  pair.classList.add("live");
  show();
}
"""


def rows(found: Sequence[Row]) -> str:
    """The first twelve pairs; "" where there is none."""
    lead = "Each pair is one prompt, drawn by both models from the same noise."
    return _pairs("ul", lead, found, ROWS)


def worst(found: Sequence[Row]) -> str:
    """The first twenty pairs, the worst first; "" where there is none."""
    lead = "The pairs that lost most, the worst first. Look here before a release."
    return _pairs("ol", lead, found, WORST)


def _pairs(kind: str, lead: str, found: Sequence[Row], most: int) -> str:
    if not found:
        return ""
    cut = f" {most} of {len(found)} are shown." if len(found) > most else ""
    slide = '<span class="slide"> Move the slider, or drag on a picture, to compare.</span>'
    slide = slide if any(_slides(row) for row in found[:most]) else ""
    items = "\n".join(f"<li>{_pair(row)}</li>" for row in found[:most])
    large = "" if max(row.original.shape[1] for row in found[:most]) < SMALL else " large"
    return f'<p>{lead}{cut}{slide}</p>\n<{kind} class="pairs{large}">\n{items}\n</{kind}>'


def _slides(row: Row) -> bool:
    """Pictures of two sizes do not lie on each other."""
    return row.original.shape == row.optimized.shape


def _pair(row: Row) -> str:
    name = row.prompt or "no prompt"
    slides = _slides(row)
    label = escape(f"Edge between original and optimized: {name}")
    slider = f'<input type="range" min="0" max="100" value="50" aria-label="{label}">' if slides else ""
    note = f'<strong class="note">{escape(row.note)}</strong>' if row.note else ""
    return f"""<figure class="pair{" slides" if slides else ""}">
{_image("before", row.original, f"Original: {name}")}
{_image("after", row.optimized, f"Optimized: {name}")}
<span class="left">Original</span>{slider}<span class="right">Optimized</span>
<figcaption><bdi>{escape(row.prompt) or "(no prompt)"}</bdi>{note}</figcaption>
</figure>"""


def _image(side: str, picture: Picture, alt: str) -> str:
    height, width = picture.shape[:2]
    small = " small" if width < SMALL else ""
    size = f'width="{width}" height="{height}"'
    return f'<img class="{side}{small}" {size} alt="{escape(alt)}" src="{data_uri(picture)}">'
