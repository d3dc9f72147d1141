"""The icon sets: which package, which licence, which style word, and what each may be used for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules" / "@iconify-json"


@dataclass(frozen=True, kw_only=True)
class IconSet:
    """One package of icons. `style` is the word that captions use for it."""

    name: str
    style: str
    spdx: str
    train: bool

    def read(self) -> dict:
        """The package's icons.json; raises FileNotFoundError when `npm ci` has not been run."""
        return json.loads((PACKAGES / self.name / "icons.json").read_text())

    def info(self) -> dict:
        """The package's info.json: title, author, licence, upstream address."""
        return json.loads((PACKAGES / self.name / "info.json").read_text())


# Only permissive licences are trained on. The others are unseen styles for later measurements.
SETS = (
    IconSet(name="fluent-emoji-flat", style="flat", spdx="MIT", train=True),
    IconSet(name="fluent-emoji", style="fluent", spdx="MIT", train=True),
    IconSet(name="flat-color-icons", style="office", spdx="MIT", train=True),
    IconSet(name="noto", style="noto", spdx="Apache-2.0", train=True),
    IconSet(name="noto-v1", style="blob", spdx="Apache-2.0", train=True),
    IconSet(name="fxemoji", style="fx", spdx="Apache-2.0", train=True),
    IconSet(name="twemoji", style="twemoji", spdx="CC-BY-4.0", train=False),
    IconSet(name="emojione", style="emojione", spdx="CC-BY-4.0", train=False),
    IconSet(name="streamline-emojis", style="streamline", spdx="CC-BY-4.0", train=False),
    IconSet(name="openmoji", style="openmoji", spdx="CC-BY-SA-4.0", train=False),
    IconSet(name="emojione-v1", style="emojione-v1", spdx="CC-BY-SA-4.0", train=False),
)
