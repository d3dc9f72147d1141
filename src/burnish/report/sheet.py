"""A contact sheet as one picture, for places that show no HTML."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from burnish.report.picture import Picture

GAP = 12  # pixels between everything
CAPTION = 200  # pixels of width for the prompts
FONT_SIZE = 15
INK, PAPER = "#1c1e21", "#ffffff"  # its own background, so that it reads on a dark page too

SheetRow = tuple[str, Sequence[Picture]]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(rows: Sequence[SheetRow], titles: Sequence[str], scale: int = 1) -> Image.Image:
    """Rows of (caption, pictures) under column titles; pictures uint8 (height, width, 3), all of one size.

    `scale` enlarges by whole pixels. Captions use PIL's own font (Latin letters), wrapped and cut with an
    ellipsis where they do not fit. Raises ValueError without rows, or where a row has not one picture a title
    or a picture another size.
    """
    sizes = {picture.shape for _, pictures in rows for picture in pictures}
    if len(sizes) != 1 or any(len(pictures) != len(titles) for _, pictures in rows):
        raise ValueError(f"rows need {len(titles)} pictures each, all of one size; found {sorted(sizes)}")
    height, width = (scale * side for side in sizes.pop()[:2])
    font = ImageFont.load_default(FONT_SIZE)
    top = FONT_SIZE + 2 * GAP
    sheet = Image.new(
        "RGB",
        (CAPTION + len(titles) * (width + GAP) + 2 * GAP, top + len(rows) * (height + GAP)),
        PAPER,
    )
    pen = ImageDraw.Draw(sheet)
    lefts = [GAP + CAPTION + GAP + k * (width + GAP) for k in range(len(titles))]
    for left, title in zip(lefts, titles, strict=True):
        pen.text((left, GAP), _wrap(pen, title, width, 1, font), INK, font)
    for k, (caption, pictures) in enumerate(rows):
        y = top + k * (height + GAP)
        lines = max(1, height // (FONT_SIZE + 5))
        pen.multiline_text((GAP, y), _wrap(pen, caption, CAPTION, lines, font), INK, font)
        for left, picture in zip(lefts, pictures, strict=True):
            image = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(image, (left, y))
    return sheet


def _wrap(pen: ImageDraw.ImageDraw, text: str, width: int, lines: int, font: Font) -> str:
    """The text in at most so many lines of so many pixels."""
    kept: list[str] = []
    for word in text.split():
        joined = f"{kept[-1]} {word}" if kept else word
        if kept and pen.textlength(joined, font) <= width:
            kept[-1] = joined
        else:
            kept.append(word)
    whole = len(kept) <= lines
    kept = kept[:lines]
    return "\n".join(_fit(pen, line, width, font, whole or line is not kept[-1]) for line in kept)


def _fit(pen: ImageDraw.ImageDraw, line: str, width: int, font: Font, whole: bool) -> str:
    if whole and pen.textlength(line, font) <= width:
        return line
    while line and pen.textlength(f"{line}…", font) > width:
        line = line[:-1]
    return f"{line}…"
