"""A capture as an ONNX graph: traced, named as its wires are, and written with its weights beside it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from diffusers.models.transformers import transformer_flux
from torch import Tensor, nn

from burnish.core.errors import ModelError
from burnish.graphs.capture import Capture
from burnish.runtime.onnx_file import WEIGHTS, problem_of

# 17 has layer normalisation in one node, 18 resizes antialiased; later ones add nothing that a capture has.
OPSET = 18
BATCH = "batch"
INLINE_BYTES = 1024  # constants up to here stay in the graph: shapes and axes, which are read before it runs


def _rms_norm(x: Tensor, shape: list[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """torch.nn.functional.rms_norm in operators that the opset has; the last dimension is normalised."""
    least = torch.finfo(x.dtype).eps if eps is None else eps
    normal = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + least)
    return normal if weight is None else normal * weight


def _apply_rotary_emb(x: Tensor, freqs_cis: tuple[Tensor, Tensor], *, sequence_dim: int) -> Tensor:
    """Flux's rotation of each pair (a, b) by cos and sin: x cos + (-b, a) sin.

    diffusers reshapes into pairs, where the exporter takes the examples' batch for every batch.
    """
    cos, sin = (f[None, :, None] if sequence_dim == 1 else f[None, None] for f in freqs_cis)
    swapped = torch.arange(x.shape[-1]).reshape(-1, 2).flip(-1).flatten()
    sign = torch.tensor([-1.0, 1.0]).repeat(len(swapped) // 2)
    return x * cos + x.index_select(-1, swapped) * (sign * sin)


def _squeeze(self: Tensor, *dims: int) -> Tensor:
    """Whether a dimension is one is settled by the examples, as all else is; the exporter would branch."""
    return self if len(dims) == 1 and int(self.shape[dims[0]]) != 1 else _SQUEEZE(self, *dims)


_SQUEEZE: Callable[..., Tensor] = Tensor.squeeze
# What the exporter has no node for, or a wrong one, and what is traced in its place.
_PLAINER: tuple[tuple[Any, str, Callable[..., Tensor]], ...] = (
    (Tensor, "squeeze", _squeeze),
    (nn.functional, "rms_norm", _rms_norm),
    (transformer_flux, "apply_rotary_emb", _apply_rotary_emb),
)


@contextmanager
def _plain() -> Iterator[None]:
    kept = [getattr(owner, name) for owner, name, _ in _PLAINER]
    for owner, name, plainer in _PLAINER:
        setattr(owner, name, plainer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of every Python number that tracing bakes in: parity is checked
            yield
    finally:
        for (owner, name, _), own in zip(_PLAINER, kept, strict=True):
            setattr(owner, name, own)


@torch.no_grad()
def export(capture: Capture) -> onnx.ModelProto:
    """The ONNX model of a capture, inputs and outputs named and ordered as the capture's are.

    Traced: PyTorch's newer exporter does not take PixArt, and loses the names of layers that a cut goes by.
    Raises ModelError where it holds what the runtime refuses to open.
    """
    dynamic = {
        name: {axis: BATCH if axis == 0 else f"{name}.{axis}" for axis in axes}
        for name, axes in capture.dynamic.items()
    }
    dynamic |= {name: {0: BATCH} for name in capture.outputs}
    with tempfile.TemporaryDirectory() as folder, _plain():
        path = Path(folder) / "traced.onnx"
        torch.onnx.export(
            capture.module.eval(),  # the exporter puts back the mode that it finds, in every layer below
            tuple(capture.examples.values()),
            str(path),
            input_names=list(capture.examples),
            output_names=list(capture.outputs),
            dynamic_axes=dynamic,
            opset_version=OPSET,
            dynamo=False,
        )
        return onnx.load(str(path))


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes the graph and, beside it, its weights, which `model` then no longer holds.

    Raises OSError, and ModelError as `export`.
    """
    weights = path.with_suffix(WEIGHTS)
    weights.unlink(missing_ok=True)  # onnx would append to it
    onnx.save_model(
        model,
        str(path),
        save_as_external_data=True,
        location=weights.name,
        size_threshold=INLINE_BYTES,
        convert_attribute=True,
    )
    weights.touch()
    if problem := problem_of(path):
        raise ModelError(f"{path.stem} as ONNX is not what is run: {problem}", "Build for another runtime")
