"""`python -m burnish` is the command line."""

from burnish.cli.main import run

run()
