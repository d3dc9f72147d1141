"""int8 weights and activations by ONNX Runtime, calibrated on inputs that the model's trajectories make."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from burnish.runtime.onnx_file import WEIGHTS

MAX_SAMPLES = 128
LAYERS = ["Conv", "MatMul", "Gemm"]
ONNX_DOMAINS = ("", "ai.onnx")


class _Samples(CalibrationDataReader):
    """Inputs one after another, as ONNX Runtime asks for them."""

    def __init__(self, samples: Sequence[dict[str, Any]]) -> None:
        self._left: Iterator[dict[str, Any]] = iter(samples)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs, or None after the last."""
        return next(self._left, None)


def quantize(path: Path, samples: Sequence[dict[str, Any]]) -> onnx.ModelProto:
    """The ONNX model at `path` with convolutions and matrix products in int8, 128 samples at most.

    Weights have a scale a channel, activations one a tensor, from the least and the greatest seen; both are
    signed, as ONNX Runtime's documentation advises for processors with VNNI, and stand between
    QuantizeLinear and DequantizeLinear, which its kernels absorb.
    """
    spread = np.linspace(0, len(samples) - 1, min(MAX_SAMPLES, len(samples))).round().astype(int)
    quiet = logging.getLogger()
    level = quiet.level
    quiet.setLevel(logging.ERROR)  # it speaks through the root logger
    try:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "int8.onnx"
            for suffix in (path.suffix, WEIGHTS):  # onnx reads no weights that another name has too
                shutil.copy2(path.with_suffix(suffix), folder)
            quantize_static(
                Path(folder) / path.name,
                target,
                _Samples([samples[k] for k in spread]),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=LAYERS,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                use_external_data_format=True,
            )
            found = onnx.load(target)
    finally:
        quiet.setLevel(level)
    own = [each for each in found.opset_import if each.domain in ONNX_DOMAINS]  # it imports what it may use
    del found.opset_import[:]
    found.opset_import.extend(own)
    return found
