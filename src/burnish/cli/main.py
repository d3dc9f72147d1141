"""`burnish VERB ...`: the verbs, and what an error looks like."""

from __future__ import annotations

import errno
import sys
import traceback
from importlib import import_module

import typer
from typer.exceptions import TyperException

from burnish.cli.console import quiet_libraries, say
from burnish.core.errors import BurnishError

VERBS = (
    "inspect",
    "optimize",
    "measure",
    "gate",
    "audit",
    "costs",
    "generate",
    "release",
    "releases",
    "promote",
    "rollback",
    "export",
    "import",
    "collect",
    "serve",
)
EXTRAS = {  # what brings a package; all others come with `compile`
    **dict.fromkeys(("mlflow", "model_signing", "cryptography", "sqlalchemy"), "registry"),
    **dict.fromkeys(("fastapi", "uvicorn"), "serve"),
}
INTERRUPTED = 130
CRASHED = 70  # EX_SOFTWARE of sysexits.h; 1 is a gate's FAIL


def verbs(asked: str) -> typer.Typer:
    """The command line; only the verb that is asked for is imported, where one is."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    app.callback()(_no_options)  # so that one verb alone is still a verb
    for name in (asked,) if asked in VERBS else VERBS:
        module = "import_release" if name == "import" else name  # a module cannot have that name
        app.command(name=name)(import_module(f"burnish.cli.{module}").command)
    return app


def _no_options() -> None:
    """An optimizing compiler for diffusion models, with evidence."""


def run() -> None:
    """The entry point: a BurnishError is one line and exit code 2; an interrupt is 130."""
    try:
        quiet_libraries()
        app = verbs("".join(sys.argv[1:2]))
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
        extra = EXTRAS.get(error.name, "compile")
        say(f"Error: {error.name} is not installed. pip install 'burnish[{extra}]'")
        sys.exit(2)
    except KeyboardInterrupt:
        say("Interrupted. Nothing is half-written; the same command resumes where it stopped.")
        sys.exit(INTERRUPTED)
    except OSError as error:
        remedy = "Free some space and run it again." if error.errno == errno.ENOSPC else ""
        say(f"Error: {error.strerror or error}: {error.filename or ''} {remedy}".rstrip())
        sys.exit(2)
    except Exception:  # whatever it is, it must not end with a code that is a gate's answer
        traceback.print_exc()
        say("Error: this is a bug in Burnish, or a library's. The lines above say where.")
        sys.exit(CRASHED)
