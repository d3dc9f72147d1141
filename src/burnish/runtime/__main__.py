"""`python -m burnish.runtime BUNDLE [N]`: N pictures from a cold start, for measuring what that costs."""

from __future__ import annotations

import sys
from pathlib import Path

from burnish.runtime.pipeline import Pipeline
from burnish.runtime.request import Request


def main(directory: Path, count: int = 1) -> None:
    """Makes pictures and keeps nothing."""
    pipeline = Pipeline(directory)
    card = pipeline.bundle.model
    pipeline.generate(
        Request(
            seeds=tuple(range(count)),
            prompts=("1",) if card.reads_text else (),
            class_labels=(1,) if card.classes else (),
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
