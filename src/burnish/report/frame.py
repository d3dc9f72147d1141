"""The frame of every page: one HTML file that loads nothing, under a policy that admits only its own.

Style and script are admitted by their hashes, so that hostile text stays text even where an escape were
forgotten; pictures are data: addresses.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape


def document(title: str, body: str, css: str, script: str = "") -> str:
    """The page as text: `title` is plain text, `body` HTML; without a script the policy admits none."""
    scripted = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_policy(css, script)}">
<title>{escape(title)}</title>
<style>{css}</style>
</head>
<body>
{body}
{scripted}</body>
</html>
"""


def items(lines: Iterable[str]) -> str:
    """A list of lines of plain text."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _policy(css: str, script: str) -> str:
    scripted = f"; script-src '{_hash(script)}'" if script else ""
    own = f"img-src data:; style-src '{_hash(css)}'{scripted}"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    """How a policy names an inline text that it admits (CSP level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
