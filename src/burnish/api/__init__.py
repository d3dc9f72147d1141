"""The verbs in Python, and all that the command line calls, imported when first used.

Drawing a picture and counting costs need neither PyTorch nor what builds a bundle.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burnish.api.audits import audit as audit
    from burnish.api.costs import measure as measure
    from burnish.api.costs import measure_stock as measure_stock
    from burnish.api.gates import decide as decide
    from burnish.api.gates import gate as gate
    from burnish.api.gates import pilot as pilot
    from burnish.api.models import MODELS as MODELS
    from burnish.api.models import inspect as inspect
    from burnish.api.models import load as load
    from burnish.api.money import estimate_costs as estimate_costs
    from burnish.api.money import seconds_for as seconds_for
    from burnish.api.money import write_costs_report as write_costs_report
    from burnish.api.money import write_example as write_example
    from burnish.api.pictures import generate as generate
    from burnish.api.plans import build as build
    from burnish.api.plans import optimize as optimize
    from burnish.api.publishing import collect_releases as collect_releases
    from burnish.api.publishing import export_release as export_release
    from burnish.api.publishing import import_release as import_release
    from burnish.api.publishing import open_release as open_release
    from burnish.api.publishing import promote as promote
    from burnish.api.publishing import release as release
    from burnish.api.publishing import releases as releases
    from burnish.api.publishing import rollback as rollback
    from burnish.api.quality import measure_quality as measure_quality
    from burnish.api.serving import serve as serve
    from burnish.api.verdicts import open_question as open_question
    from burnish.core.source import Source as Source
    from burnish.core.suites import read_suite as read_suite

_WHERE = {
    "audit": "burnish.api.audits",
    "measure": "burnish.api.costs",
    "measure_stock": "burnish.api.costs",
    "decide": "burnish.api.gates",
    "gate": "burnish.api.gates",
    "pilot": "burnish.api.gates",
    "MODELS": "burnish.api.models",
    "inspect": "burnish.api.models",
    "load": "burnish.api.models",
    "estimate_costs": "burnish.api.money",
    "seconds_for": "burnish.api.money",
    "write_costs_report": "burnish.api.money",
    "write_example": "burnish.api.money",
    "generate": "burnish.api.pictures",
    "build": "burnish.api.plans",
    "optimize": "burnish.api.plans",
    "measure_quality": "burnish.api.quality",
    "collect_releases": "burnish.api.publishing",
    "export_release": "burnish.api.publishing",
    "import_release": "burnish.api.publishing",
    "open_release": "burnish.api.publishing",
    "promote": "burnish.api.publishing",
    "release": "burnish.api.publishing",
    "releases": "burnish.api.publishing",
    "rollback": "burnish.api.publishing",
    "serve": "burnish.api.serving",
    "open_question": "burnish.api.verdicts",
    "Source": "burnish.core.source",
    "read_suite": "burnish.core.suites",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'burnish.api' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
