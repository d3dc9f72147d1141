"""Pictures of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.core.errors import RequestError
from burnish.runtime import Pipeline, Request
from burnish.runtime.request import Pixels


def generate(
    bundle: Path, prompts: Sequence[str] = (), *, seed: int = 0, num_images: int = 1, **asked: Any
) -> Pixels:
    """Pictures (prompts x num_images, height, width, 3; uint8), seeds counted up from `seed` for each prompt.

    `asked` are further fields of Request. Raises BundleError, RequestError.
    """
    pipeline = Pipeline(bundle)
    seeds = tuple(seed + k for k in range(num_images))
    if not pipeline.bundle.model.reads_text:
        return pipeline.generate(Request(seeds=seeds, **asked))
    if not prompts:
        raise RequestError("no prompt was given", 'burnish generate BUNDLE "a red apple"')
    spread = tuple(p for p in prompts for _ in seeds)
    return pipeline.generate(Request(seeds=seeds * len(prompts), prompts=spread, **asked))
