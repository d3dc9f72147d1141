"""Burnish: an optimizing compiler for diffusion models, with evidence.

The verbs are imported when first used, so that running a bundle does not load what builds one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api import build as build
    from burnish.api import gate as gate
    from burnish.api import generate as generate
    from burnish.api import inspect as inspect
    from burnish.api import load as load
    from burnish.api import measure as measure
    from burnish.api import optimize as optimize

__all__ = ["build", "gate", "generate", "inspect", "load", "measure", "optimize"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from burnish import api

    return getattr(api, name)
