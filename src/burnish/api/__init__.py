"""The verbs in Python, and all that the command line calls."""

from burnish.api.audits import audit as audit
from burnish.api.costs import measure as measure
from burnish.api.costs import measure_stock as measure_stock
from burnish.api.gates import decide as decide
from burnish.api.gates import gate as gate
from burnish.api.gates import pilot as pilot
from burnish.api.models import MODELS as MODELS
from burnish.api.models import inspect as inspect
from burnish.api.models import load as load
from burnish.api.pictures import generate as generate
from burnish.api.plans import build as build
from burnish.api.plans import optimize as optimize
from burnish.api.quality import measure_quality as measure_quality
from burnish.api.verdicts import open_question as open_question
from burnish.core.suites import read_suite as read_suite
