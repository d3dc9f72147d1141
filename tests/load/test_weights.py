"""Safetensors files, read by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from burnish.core.errors import ModelError
from burnish.load import weights
from burnish.load.weights import read_header, scan

FLOATS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)


def _file(path: Path, values: torch.Tensor) -> Path:
    file = path / "x.safetensors"
    save_file({"before": torch.ones(3), "weight": values}, file)
    return file


@pytest.mark.parametrize("dtype", FLOATS)
def test_extremes_are_finite(tmp_path: Path, dtype: torch.dtype) -> None:
    """The largest and the smallest numbers of every float type pass, and the digest is the file's."""
    info = torch.finfo(dtype)
    values = torch.tensor([info.max, info.min, info.tiny, 0.0, -0.0], dtype=torch.float64).to(dtype)
    file = _file(tmp_path, values)
    assert scan(file, read_header(file, "x"), "x") == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("chunk_bytes", [8, 16 << 20])
def test_not_a_number_is_found(
    tmp_path: Path, dtype: torch.dtype, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One number that is not a number is found in every float type, wherever the chunks end."""
    monkeypatch.setattr(weights, "CHUNK_BYTES", chunk_bytes)
    values = torch.ones(21, dtype=torch.float32)
    values[17] = float("nan")
    file = _file(tmp_path, values.to(dtype))
    with pytest.raises(ModelError, match=r"x: weight holds a number that is infinite or not a number"):
        scan(file, read_header(file, "x"), "x")


def test_integers_have_no_exponent(tmp_path: Path) -> None:
    """Integers of any bits, a scalar and an empty tensor pass."""
    file = tmp_path / "x.safetensors"
    tensors = {"a": torch.tensor([-1, 2**31 - 1], dtype=torch.int32), "b": torch.tensor(1.0)}
    save_file({**tensors, "empty": torch.zeros(0, 4)}, file)
    header = read_header(file, "x")
    assert {name: tensor.shape for name, tensor in header.items()} == {"a": (2,), "b": (), "empty": (0, 4)}
    assert len(scan(file, header, "x")) == 64


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"\0"], ids=["shorter", "longer"])
def test_file_that_changes_while_read(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """A file that became shorter or longer after its header was read is refused."""
    file = _file(tmp_path, torch.ones(5))
    header = read_header(file, "x")
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ModelError, match="while it was read"):
        scan(file, header, "x")
