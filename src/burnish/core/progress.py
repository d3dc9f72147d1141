"""How long work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float], None]  # what is being done, and the share of it that is done, 0 to 1
