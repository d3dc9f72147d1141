"""Burnish: an optimizing compiler for diffusion models, with evidence.

The verbs are imported when first used, so that running a bundle does not load what builds one.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api import Source as Source
    from burnish.api import audit as audit
    from burnish.api import build as build
    from burnish.api import collect_releases as collect_releases
    from burnish.api import estimate_costs as estimate_costs
    from burnish.api import export_release as export_release
    from burnish.api import gate as gate
    from burnish.api import generate as generate
    from burnish.api import import_release as import_release
    from burnish.api import inspect as inspect
    from burnish.api import load as load
    from burnish.api import measure as measure
    from burnish.api import open_release as open_release
    from burnish.api import optimize as optimize
    from burnish.api import promote as promote
    from burnish.api import release as release
    from burnish.api import releases as releases
    from burnish.api import rollback as rollback
    from burnish.api import serve as serve

__all__ = [
    "Source",
    "audit",
    "build",
    "collect_releases",
    "estimate_costs",
    "export_release",
    "gate",
    "generate",
    "import_release",
    "inspect",
    "load",
    "measure",
    "open_release",
    "optimize",
    "promote",
    "release",
    "releases",
    "rollback",
    "serve",
]


class _Verbs(ModuleType):
    """Some rooms are named as the verbs are. `burnish.load` is the verb, `from burnish.load import ...` the
    room: what importing a room would bind here is let go.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Verbs


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from burnish import api

    return getattr(api, name)
