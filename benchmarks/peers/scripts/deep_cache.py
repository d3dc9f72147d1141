"""DeepCache: the deep blocks' output of one call is used again in the next ones (Ma et al., 2023)."""

from __future__ import annotations

from diffusers_pipeline import load_pipeline, maker
from serve import Make, Request, serve


def open_model(asked: Request) -> Make:
    """The authors' helper on the diffusers pipeline; `interval` calls share one pass of the deep blocks."""
    from DeepCache import DeepCacheSDHelper

    pipeline = load_pipeline(asked)
    helper = DeepCacheSDHelper(pipe=pipeline)
    helper.set_params(cache_interval=asked["options"]["interval"], cache_branch_id=0)
    helper.enable()
    return maker(pipeline, asked, pipeline.unet.dtype)


if __name__ == "__main__":
    serve(open_model)
