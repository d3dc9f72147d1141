"""`burnish VERB ...`: the verbs, and what an error looks like."""

from __future__ import annotations

import errno
import sys

import typer
from typer.exceptions import TyperException

from burnish.cli import gate, generate, inspect, measure, optimize
from burnish.cli.console import quiet_libraries, say
from burnish.core.errors import BurnishError

app = typer.Typer(
    help="An optimizing compiler for diffusion models, with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for verb in (inspect, optimize, measure, gate, generate):
    app.command(name=verb.__name__.rsplit(".", 1)[-1])(verb.command)

INTERRUPTED = 130


def run() -> None:
    """The entry point: a BurnishError is one line and exit code 2; an interrupt is 130."""
    quiet_libraries()
    try:
        code = app(standalone_mode=False)  # typer.Exit comes back as its code, an interrupt as 130
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(code or 0)
    except TyperException as error:  # a verb, an option or an argument that there is not
        if error.format_message():  # empty where the help was shown
            say(f"Error: {error.format_message()}")
        sys.exit(error.exit_code)
    except BurnishError as error:
        say(f"Error: {error}")
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("burnish"):
            raise
        say(f"Error: {error.name} is not installed. pip install 'burnish[compile]'")
        sys.exit(2)
    except KeyboardInterrupt:
        say("Interrupted. Nothing is half-written; the same command resumes where it stopped.")
        sys.exit(INTERRUPTED)
    except OSError as error:
        remedy = "Free some space and run it again." if error.errno == errno.ENOSPC else ""
        say(f"Error: {error.strerror or error}: {error.filename or ''} {remedy}".rstrip())
        sys.exit(2)
