"""Explores plans by cost and error, judges the best of them, and returns the cheapest that passes."""

from burnish.search.choose import Trial as Trial
from burnish.search.crew import ray_crew as ray_crew
from burnish.search.evidence import write_evidence as write_evidence
from burnish.search.explore import TRIALS as TRIALS
from burnish.search.proxy import alone as alone
from burnish.search.search import Optimized as Optimized
from burnish.search.search import conditions_of as conditions_of
from burnish.search.search import optimize as optimize
