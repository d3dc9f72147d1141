"""A capture as an OpenVINO graph: traced, named as its wires are, and written to disk."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openvino as ov
import torch

from burnish.graphs.capture import Capture
from burnish.graphs.normalization import decompose_group_norms

LITTLE_ROOM = 16 << 20  # bytes; a graph's file is cut off when less than one more write is left


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracing warns of every Python number that it bakes in; parity is what is checked instead."""
    logger = logging.getLogger("openvino")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)


@torch.no_grad()
def lower(capture: Capture) -> Any:
    """The `ov.Model` of a capture, inputs and outputs named and ordered as the capture's are."""
    shapes = [
        ov.PartialShape(
            [-1 if axis in capture.dynamic[name] else size for axis, size in enumerate(example.shape)]
        )
        for name, example in capture.examples.items()
    ]
    with _quiet():
        model = ov.convert_model(capture.module, example_input=tuple(capture.examples.values()), input=shapes)
    decompose_group_norms(model)
    for port, name in zip(model.inputs, capture.examples, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
    for port, name in zip(model.outputs, capture.outputs, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
    return model


def save(model: Any, path: Path, *, half: bool) -> None:
    """Writes the IR; `half` keeps weights as fp16 on disk. Raises OSError where the disk is full."""
    try:
        ov.save_model(model, path, compress_to_fp16=half)
    except RuntimeError as error:  # all that OpenVINO says is "iostream error"
        if shutil.disk_usage(path.parent).free > LITTLE_ROOM:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
