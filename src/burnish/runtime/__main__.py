"""`python -m burnish.runtime BUNDLE`: one picture from a cold start, for measuring what a process costs."""

from __future__ import annotations

import sys
from pathlib import Path

from burnish.runtime.pipeline import Pipeline
from burnish.runtime.request import Request


def main(directory: Path) -> None:
    """Makes one picture and keeps nothing."""
    pipeline = Pipeline(directory)
    family = pipeline.bundle.model.family
    pipeline.generate(
        Request(
            seeds=(0,),
            prompts=("1",) if family == "stable-diffusion" else (),
            class_labels=(1,) if family == "class-conditional" else (),
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
