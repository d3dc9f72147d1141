"""Constants of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from openvino import opset13 as ops


def integers(*values: int) -> Any:
    """A row of 64-bit integers, as shapes, axes and indices are given to OpenVINO's operators."""
    return ops.constant(np.array(values, dtype=np.int64))
