"""The card of a release: what it is, what was proved, what it costs, what its licence asks. Markdown.

With the header that model hubs read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from burnish.core.bundle import Bundle
from burnish.core.evidence import Check, Measurement
from burnish.core.licences import terms_of
from burnish.core.release import Release
from burnish.core.units import show_mib, show_seconds

COMMERCIAL = {True: "yes", False: "no", None: "not known here: read the licence"}


def release_card(release: Release, bundle: Bundle) -> str:
    """The card's text."""
    return "\n\n".join(part for part in _parts(release, bundle) if part) + "\n"


def _parts(release: Release, bundle: Bundle) -> list[str]:
    terms = terms_of(release.licence)
    duties = "\n".join(f"- {duty}" for duty in release.duties)
    return [
        _front(release),
        f"# {release.name}",
        _cell(release.note),
        f"`{_cell(release.model)}`, made cheap to run: {release.plan.describe()}.",
        f"**{release.standing}**"
        if release.proven
        else f"**{release.standing}: nothing here says that it is as good.**",
        "## How good",
        _verdict(bundle),
        "## What it costs",
        _costs(bundle.original, bundle.measurement),
        "## Licence",
        f"{_cell(release.licence)}, as the model it was made from. "
        f"Commercial use: {COMMERCIAL[terms.commercial]}.",
        duties,
        "## Where it comes from",
        _origin(release, bundle),
    ]


def _front(release: Release) -> str:
    fields = {"license": release.licence, "library_name": "burnish", "pipeline_tag": "text-to-image"}
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in fields.items()), "---"])


def _verdict(bundle: Bundle) -> str:
    verdict = bundle.verdict
    if verdict is None:
        return "Nothing was judged."
    asked = f"{verdict.prompts} prompts with {verdict.seeds} seeds"
    said = f"Against its original on {asked}, paired: {verdict.outcome}."
    rows = [_check(check) for check in (*verdict.checks, *verdict.slices)]
    return f"{said}\n\n" + _table(("check", "change", "90 % interval", "bound", "outcome"), rows)


def _check(check: Check) -> tuple[str, ...]:
    i = check.interval
    mean, low, high, bound = (f"{round(x, 9) + 0.0:.3g}" for x in (i.mean, i.low, i.high, check.bound))
    return check.metric, f"{mean} {check.unit}", f"{low} to {high}", bound, check.outcome


def _costs(original: Measurement | None, own: Measurement | None) -> str:
    if own is None:
        return "Nothing was measured."
    rows = []
    for label, field, show in (
        ("CPU time for an image", "cpu_s", show_seconds),
        ("Time for an image", "latency_s", show_seconds),
        ("Peak memory", "peak_mib", show_mib),
        ("Size on disk", "disk_mib", show_mib),
        ("Cold start", "cold_start_s", show_seconds),
    ):
        values = [float(getattr(side, field)) if side else 0.0 for side in (original, own)]
        rows.append((label, *(show(v) if v else "not measured" for v in values)))
    return _table(("", "original", "this release"), rows)


def _origin(release: Release, bundle: Bundle) -> str:
    device = bundle.device
    rows = [
        ("released", f"{release.released_at} by {release.released_by}"),
        ("replaces", release.parent or "nothing: it is the first"),
        ("bundle", release.bundle),
        ("model", release.model_digest),
        ("measured on", f"{device.name}, {device.cores} cores" if device else "not measured"),
        ("built by", bundle.built_by),
    ]
    return _table(("", ""), rows)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """A stranger's text in a line of Markdown: no new line, no column, no tag of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
