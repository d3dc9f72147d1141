"""Programs: read from any diffusers scheduler, guided call by call, replayed in numpy.

A Program is the triangular table a sampler follows (`burnish.core.program`). `read_program` reads and
verifies it, `make_scheduler` builds the scheduler to read, `guided` sets the guidance of each call, `replay`
runs the table.
"""

from burnish.program.guidance import guided
from burnish.program.make import make_scheduler, scheduler_names
from burnish.program.read import read_program
from burnish.program.replay import replay

__all__ = ["guided", "make_scheduler", "read_program", "replay", "scheduler_names"]
