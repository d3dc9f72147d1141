"""Model and Plan into a Bundle. One file per technique: its field of the Plan, its cost, its paper."""

from burnish.build.assemble import build as build
from burnish.build.assemble import check_target as check_target
from burnish.build.store import GraphStore as GraphStore
from burnish.build.tables import fitted_program as fitted_program
from burnish.build.tables import plan_program as plan_program
from burnish.build.tables import reference_plan as reference_plan
from burnish.build.techniques import TECHNIQUES as TECHNIQUES
from burnish.build.techniques import check_plan as check_plan
