"""The contact sheet as one picture."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.report.picture import png
from burnish.report.sheet import CAPTION, GAP, contact_sheet

RED, BLUE = (np.full((20, 30, 3), colour, dtype=np.uint8) for colour in ((200, 0, 0), (0, 0, 200)))


def test_pictures_stand_in_their_row_and_column() -> None:
    """Each picture fills its cell at the scale asked for, white lies between them, and captions are drawn."""
    rows = [("a red one", [RED, BLUE]), ("a very long caption " * 30, [BLUE, RED])]
    pixels = np.asarray(contact_sheet(rows, ["original", "optimized"], scale=2))
    left = 2 * GAP + CAPTION
    right = left + 60 + GAP
    bottom = len(pixels) - GAP
    assert (pixels[bottom - 40 : bottom, left : left + 60] == BLUE[0, 0]).all()
    assert (pixels[bottom - 40 : bottom, right : right + 60] == RED[0, 0]).all()
    assert (pixels[bottom - 40 : bottom, left + 60 : right] == 255).all()
    assert (pixels[bottom - 92 : bottom - 52, left : left + 60] == RED[0, 0]).all()
    captions = pixels[bottom - 40 : bottom, : left - 1]
    assert captions.min() < 100
    assert (pixels[bottom:, :] == 255).all()  # the long caption is cut, not drawn over the edge
    assert (pixels[:, GAP + CAPTION + 2 : left] == 255).all()


def test_rows_that_do_not_fit_are_refused() -> None:
    """No rows, another number of pictures than titles, or another size raise ValueError."""
    for rows in ([], [("a", [RED])], [("a", [RED, BLUE[:10]])]):
        with pytest.raises(ValueError, match="2 pictures each"):
            contact_sheet(rows, ["original", "optimized"])


def test_png_refuses_what_is_no_picture() -> None:
    """Floats, grey pictures and batches raise ValueError; a picture starts as PNG does."""
    assert png(RED).startswith(b"\x89PNG")
    for wrong in (RED / 255, RED[..., 0], RED[None]):
        with pytest.raises(ValueError, match="uint8"):
            png(wrong)
