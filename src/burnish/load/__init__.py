"""Opens a model directory safely, says what it is and what its licence allows, and measures the device.

Nothing in a model directory is run, and no library opens it before `check_directory` has let it pass.
"""

from burnish.load.card import inspect
from burnish.load.components import EMBEDDED, OpenedModel, open_model, reference_pipeline, resolve
from burnish.load.device import probe_device
from burnish.load.directory import CheckedDirectory, check_directory
from burnish.load.steps import step_arguments

__all__ = [
    "EMBEDDED",
    "CheckedDirectory",
    "OpenedModel",
    "check_directory",
    "inspect",
    "open_model",
    "probe_device",
    "reference_pipeline",
    "resolve",
    "step_arguments",
]
