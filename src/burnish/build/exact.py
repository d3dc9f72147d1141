"""A plan's graphs in fp32, opened for as long as something is learned from them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.errors import PromptCutWarning
from burnish.core.plan import Plan
from burnish.runtime import Pipeline

if TYPE_CHECKING:
    from burnish.build.store import GraphStore


@contextmanager
def exact_pipeline(store: GraphStore, plan: Plan, token_merging: float = 0.0) -> Iterator[Pipeline]:
    """A bundle of the plan in fp32, with a table that needs no fit; prompts that are cut are not warned of.

    Tables are fitted to the model's own function, so tokens are merged only where `token_merging` says so.
    Raises as `build` does.
    """
    from burnish.build.assemble import build

    plain = {
        "precision": "fp32",
        "learned": False,
        "fresh_calls": 0,
        "floating": 0.0,
        "weights": "",
        "token_merging": token_merging,
        "streams": 1,
    }
    # Two passes at once take less time than in turn, and give the same.
    streams = 2 if store.model.card.guidance == "classifier-free" else 1
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", PromptCutWarning)  # how a text goes on changes no range and no table
        build(store, plan.model_copy(update=plain), Path(folder) / "fp32")
        yield Pipeline(Path(folder) / "fp32", verify=False, streams=streams)
