"""Errors a user can act on: each says what is wrong with which input, and what mends it."""

from __future__ import annotations


class BurnishError(Exception):
    """Something outside is wrong. `remedy` is a command or an action, in plain words."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}. {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class ModelError(BurnishError):
    """A model directory that is not opened, or does not fit together."""


class ProgramError(BurnishError):
    """A scheduler or a cut that no triangular table expresses."""


class PlanError(BurnishError):
    """A Plan that does not apply to this model or this device."""


class BundleError(BurnishError):
    """A bundle that is missing, damaged or from another version."""


class NotFiniteError(BundleError):
    """A bundle that drew numbers which are infinite or not a number: no picture comes of them."""


class RequestError(BurnishError, ValueError):
    """A request outside what the bundle can do: size, seed, prompt, image."""


class PromptCutWarning(UserWarning):
    """A prompt was longer than the text encoder reads."""


class SuiteError(BurnishError):
    """A suite of prompts that cannot be read or is too small for the question."""


class ReleaseError(BurnishError):
    """A release that is not there, does not verify, or may not be what is asked of it."""
