"""Rows of measured costs as a table of ratios to the first row, printed and saved."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("burnish", "torch", "diffusers", "openvino", "nncf")


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    from burnish.load import probe_device

    device = probe_device()
    return {
        "name": device.name,
        "cores": device.cores,
        "instruction_sets": device.instruction_sets,
        "gops": device.gops.model_dump(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def publish(name: str, rows: list[dict[str, object]], ratios: Sequence[str]) -> None:
    """Adds `x KEY` (first row over this row) for each key, prints Markdown, writes JSON beside it."""
    first = rows[0]
    for row in rows:
        for key in ratios:
            theirs, ours = first.get(key), row.get(key)
            if isinstance(theirs, float) and isinstance(ours, float) and ours:
                row[f"x {key}"] = theirs / ours
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
    lines += ["| " + " | ".join(_cell(row.get(key, "")) for key in keys) + " |" for row in rows]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
