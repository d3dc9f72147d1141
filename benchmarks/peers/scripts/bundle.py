"""A Burnish bundle through `burnish.runtime` alone; its noise is the same function of the seed."""

from __future__ import annotations

import numpy as np
from serve import Make, Request, serve


def open_model(asked: Request) -> Make:
    """The bundle that `options` names; its number of calls is its own."""
    from burnish.runtime import Pipeline
    from burnish.runtime import Request as Asked

    pipeline = Pipeline(asked["options"]["bundle"])

    def make(prompts: list[str], noise: np.ndarray, seeds: list[int], calls: int | None) -> np.ndarray:
        return pipeline.generate(Asked(seeds=tuple(seeds), prompts=tuple(prompts)))

    return make


if __name__ == "__main__":
    serve(open_model)
