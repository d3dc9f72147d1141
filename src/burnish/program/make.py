"""Builds a diffusers scheduler by its name, on the noise schedule another scheduler's config describes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import diffusers.schedulers
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from burnish.core.errors import ProgramError

# One of these says which noise schedule a model was trained on: diffusion, flow matching, EDM.
_PROCESS = ("beta_start", "shift", "sigma_data")


def make_scheduler(class_name: str, config: Mapping[str, Any], **changes: Any) -> Any:
    """Scheduler `class_name`, spelt as in diffusers, with the settings of `config` it knows, and `changes`.

    `config` is a scheduler's `config` or its JSON. Settings the class does not know are left out, as
    diffusers does, but `changes` must be known. Raises ProgramError for an unknown class or change, for a
    value the class refuses, and for a config of another kind of process (flow matching for DDIM, say).
    """
    cls = _scheduler_class(class_name)
    known = list(inspect.signature(cls.__init__).parameters)[1:]
    for change in changes:
        if change not in known:
            raise ProgramError(f"{class_name} has no setting {change}", _closest(change, known))
    foreign = [setting for setting in _PROCESS if setting in config and setting not in known]
    if foreign and not changes.get("use_flow_sigmas"):
        raise ProgramError(
            f"{class_name} cannot follow a noise schedule given by {foreign[0]}",
            "Choose a scheduler that has this setting, or for flow matching one that has use_flow_sigmas",
        )
    try:
        return cls.from_config(dict(config), **changes)
    except (ImportError, NotImplementedError, TypeError, ValueError) as error:
        raise ProgramError(f"{class_name} refuses its settings: {error}", "Change what it names") from error


def scheduler_names() -> list[str]:
    """Names of all scheduler classes the installed diffusers can build here, sorted."""
    return sorted(name for name in dir(diffusers.schedulers) if _is_scheduler(name))


def _is_scheduler(name: str) -> bool:
    found = getattr(diffusers.schedulers, name, None)
    return inspect.isclass(found) and issubclass(found, SchedulerMixin) and found is not SchedulerMixin


def _scheduler_class(name: str) -> Any:
    if _is_scheduler(name):
        return getattr(diffusers.schedulers, name)
    # diffusers puts an empty class with `_backends` in place of one whose packages are not installed.
    missing = getattr(getattr(diffusers.schedulers, name, None), "_backends", None)
    if missing:
        raise ProgramError(f"{name} needs {' and '.join(missing)}", f"Install {' and '.join(missing)}")
    raise ProgramError(f"diffusers has no scheduler {name}", _closest(name, scheduler_names()))


def _closest(word: str, words: list[str]) -> str:
    near = [w for w in words if word and word.lower() in w.lower()] or difflib.get_close_matches(word, words)
    return f"Closest: {', '.join(near[:5])}" if near else f"There are {', '.join(words)}"
