"""What every verb shares: results to standard output, talk to standard error, errors as one clear line."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from burnish.core.errors import PromptCutWarning
from burnish.core.progress import Report as Report

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.table import Table

# rich and pydantic are imported where they are used: a picture from a cold start waits for neither.


def say(text: str) -> None:
    """Plain talk, to standard error."""
    sys.stderr.write(f"{text}\n")


def print_table(table: Table) -> None:
    """A result for people, to standard output."""
    from rich.console import Console

    Console(highlight=False, markup=False).print(table)  # brackets in a name are a name's


def print_json(value: BaseModel | dict[str, Any]) -> None:
    """A result for programs, to standard output."""
    data = value if isinstance(value, dict) else value.model_dump(mode="json")
    sys.stdout.write(json.dumps(data, indent=2) + "\n")


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning as one plain line."""
    say(f"Warning: {message}")


def quiet_libraries() -> None:
    """Libraries keep their advice to themselves; our own warnings stay."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", PromptCutWarning)
    warnings.showwarning = show_warning


@contextmanager
def progress() -> Iterator[Report]:
    """A bar on a terminal; nothing elsewhere. Call it with what is being done and the fraction done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    talk = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=talk,
        transient=True,
        disable=not talk.is_terminal,
    )
    with bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda what, fraction: bar.update(task, description=what, completed=fraction)
