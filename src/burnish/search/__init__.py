"""Proposes Plans in order of measured cost and returns the cheapest that passes its floor."""

from burnish.search.choose import Trial as Trial
from burnish.search.evidence import write_evidence as write_evidence
from burnish.search.search import Optimized as Optimized
from burnish.search.search import conditions_of as conditions_of
from burnish.search.search import optimize as optimize
