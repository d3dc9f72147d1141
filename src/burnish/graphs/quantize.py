"""int8 weights and activations by NNCF, calibrated on inputs that the model's own trajectories make."""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from typing import Any

import nncf
import numpy as np
from numpy.typing import NDArray

Inputs = dict[str, NDArray[Any]]
MAX_SAMPLES = 128


def quantize(
    model: Any, samples: Sequence[Inputs], *, transformer: bool = True, keep: Collection[str] = ()
) -> Any:
    """The ov.Model with convolutions and matrix products in int8: weights a channel, activations a tensor.

    Layers named in `keep`, by OpenVINO's friendly names, stay floating point (`sensitivity` says which are
    worth it). `transformer` leaves normalisations in floating point and treats attention's products apart.
    SmoothQuant is off, as optimum-intel leaves it off for diffusion models. Raises ValueError where `keep`
    names what the model does not have.
    """
    if unknown := set(keep) - {op.get_friendly_name() for op in model.get_ops()}:
        raise ValueError(f"the model has no layer {min(unknown)!r} to keep")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    spread = np.linspace(0, len(samples) - 1, min(MAX_SAMPLES, len(samples))).round().astype(int)
    chosen = [samples[k] for k in spread]
    with redirect_stdout(io.StringIO()):  # it draws bars on standard output, which is for results
        return nncf.quantize(
            model,
            nncf.Dataset(chosen),
            subset_size=len(chosen),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=sorted(keep)),
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1, convolution=-1)
            ),
        )
