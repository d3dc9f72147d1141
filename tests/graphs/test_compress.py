"""Weights in few bits: what they take, what they lose, and that samples of the inputs help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from burnish.graphs.compress import Weights, compress
from burnish.graphs.moments import moments
from burnish.graphs.rounding import rounded, unrounded
from tests.conftest import SD, Stores
from tests.graphs.small_graphs import error, inputs_of, latents, lowered, named, output, small

LAYERS = ("Convolution", "MatMul")
RNG = np.random.default_rng(0)
WEIGHT = RNG.standard_normal((24, 64)).astype(np.float32)
# Inputs that are much alike, as neighbouring pixels are.
X = RNG.standard_normal((4096, 8)).astype(np.float32) @ RNG.standard_normal((8, 64)).astype(np.float32)
X += 0.1 * RNG.standard_normal(X.shape).astype(np.float32)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_weight_is_at_most_half_a_step_off(bits: int) -> None:
    """In 8 bits every weight is within half a step of its scale; in 4 most are, and none has another sign."""
    integers, scales = rounded(WEIGHT, bits, 16)
    assert integers.min() >= -(2 ** (bits - 1))
    assert integers.max() < 2 ** (bits - 1)
    off = np.abs(unrounded(integers, scales) - WEIGHT).reshape(integers.shape) / np.abs(scales)
    assert np.mean(off <= 0.51) > (0.9 if bits == 4 else 0.999)
    assert (unrounded(integers, scales) * WEIGHT >= 0).all()


def test_what_fits_is_exact() -> None:
    """Integers from -8 to 7 times a power of two come back as they were, a group of zeros too."""
    weight = (RNG.integers(-8, 8, (4, 32)) * 2.0**-3).astype(np.float32)
    weight[:, ::16] = -1.0  # the whole range is used in both groups
    weight[0, 16:] = 0.0
    assert np.array_equal(unrounded(*rounded(weight, 4, 16)), weight)


def test_outputs_stay_where_the_inputs_are_known() -> None:
    """On inputs that are much alike GPTQ loses less than half of what the nearest integers lose."""
    moment = (X.T @ X).astype(np.float64)
    nearest, known = (
        error(X @ unrounded(*rounded(WEIGHT, 4, 16, m)).T, X @ WEIGHT.T) for m in (None, moment)
    )
    assert 0 < known < 0.5 * nearest


def test_an_input_that_is_always_zero_harms_nobody() -> None:
    """A column of zeros has no second moment; the others are rounded as well as without it."""
    x = X.copy()
    x[:, 5] = 0.0
    found = unrounded(*rounded(WEIGHT, 4, 16, (x.T @ x).astype(np.float64)))
    assert np.isfinite(found).all()
    assert error(x @ found.T, x @ WEIGHT.T) < 0.1


def test_moments_are_of_the_patches_that_a_convolution_sees() -> None:
    """The power of each layer's outputs, before its bias, is what weights and moment say it is."""
    model, samples = small(), [latents(k) for k in range(3)]
    layers = [op for op in model.get_ordered_ops() if op.get_type_name() in LAYERS]
    found = dict(moments(model, layers, samples))
    assert list(found) == named(model, *LAYERS)
    for layer in layers:
        weight = np.array(layer.input_value(1).get_node().data).reshape(
            layer.input_value(1).get_shape()[0], -1
        )
        seen = ov.Model([ov.opset13.result(layer.output(0))], model.get_parameters())
        power = sum(float(np.square(output(seen, sample)).sum()) for sample in samples)
        moment = found[layer.get_friendly_name()]
        assert np.trace(weight @ moment @ weight.T) == pytest.approx(power, rel=1e-4)


@pytest.mark.parametrize(("weights", "part", "most"), [("int8", 0.57, 0.02), ("int4", 0.36, 0.25)])
def test_files_shrink(weights: Weights, part: float, most: float, store: Stores, tmp_path: Path) -> None:
    """Read back from disk, a text encoder takes that part of half precision's bytes, and errs no more."""
    model = lowered(store(SD).model, "text_encoder")
    given = {"input_ids": np.arange(16, dtype=np.int64)[None]}
    sizes = []
    for name, graph in (("half", model), (weights, compress(model, weights, group_size=32))):
        ov.save_model(graph, tmp_path / f"{name}.xml", compress_to_fp16=True)
        sizes.append((tmp_path / f"{name}.bin").stat().st_size)
    assert sizes[1] < part * sizes[0]
    assert (
        0
        < error(output(ov.Core().read_model(tmp_path / f"{weights}.xml"), given), output(model, given))
        < most
    )


def stored(model: Any) -> dict[str, str]:
    """The type that each layer's weights are stored in."""
    found = {}
    for op in model.get_ordered_ops():
        node = op.input_value(1).get_node() if op.get_type_name() in LAYERS else None
        while node is not None and node.get_type_name() in ("Convert", "Reshape", "Multiply"):
            node = node.input_value(0).get_node()
        if node is not None and node.get_type_name() == "Constant":
            found[op.get_friendly_name()] = node.get_element_type().get_type_name()
    return found


def test_what_is_kept_has_eight_bits(store: Stores) -> None:
    """Of a tiny UNet's layers those named are i8, the others i4, and a few weights stay as they are."""
    model = lowered(store(SD).model, "denoiser")
    big = [name for name, kind in stored(compress(model, "int8")).items() if kind == "i8"]
    found = stored(compress(model, "int4", keep=big[:2]))
    assert [found[name] for name in big] == ["i8"] * 2 + ["i4"] * (len(big) - 2)
    assert {kind for name, kind in found.items() if name not in big} == {"f32"}
    assert set(stored(compress(small(), "int4")).values()) == {"f32"}  # 576, 640 and 256 weights


def test_samples_help_a_graph(store: Stores) -> None:
    """A tiny UNet in 4 bits errs less on other inputs where its weights were rounded for some like them."""
    model = lowered(store(SD).model, "denoiser")
    samples = [inputs_of(model, seed) for seed in range(24)]
    given = inputs_of(model, 99)
    exact = output(model, given)
    blind, seeing = (error(output(compress(model, "int4", samples=s), given), exact) for s in ((), samples))
    assert 0 < seeing < 0.9 * blind


def test_what_makes_no_sense_is_refused() -> None:
    """A group of one weight, and a layer that is not there, raise ValueError."""
    with pytest.raises(ValueError, match="group_size is 1"):
        compress(small(), "int4", group_size=1)
    with pytest.raises(ValueError, match="no layer 'conv_9'"):
        compress(small(), "int4", keep=["conv_9"])
