"""Runs a Bundle with numpy, OpenVINO, tokenizers and Pillow; `Pipeline.steps` makes every picture."""

from burnish.runtime.pipeline import Pipeline as Pipeline
from burnish.runtime.pipeline import Step as Step
from burnish.runtime.request import Request as Request
