"""What rounding each layer costs, alone and together, and what is worth keeping."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.graphs import quantize
from burnish.graphs.compress import compress
from burnish.graphs.sensitivity import (
    INPUTS,
    Layer,
    kept,
    most_sensitive,
    predicted_error,
    sensitivity,
    simulated,
)
from burnish.graphs.shortcuts import split_shortcuts
from tests.graphs.small_graphs import error, latents, named, output, small

SAMPLES = [latents(k) for k in range(INPUTS)]
WHOLE = {"sample": np.concatenate([sample["sample"] for sample in SAMPLES])}


def test_the_simulation_is_the_quantized_graph() -> None:
    """Nothing rounded, the output is the model's to the bit; all rounded, it is int8's within a tenth."""
    model = small()
    quantized = quantize(model, SAMPLES)
    simulate, names = simulated(model, quantized, SAMPLES)
    exact, int8 = np.ravel(output(model, WHOLE)), np.ravel(output(quantized, WHOLE))
    assert set(names) == set(named(model, "Convolution", "MatMul"))
    assert np.array_equal(simulate(()), exact)
    assert error(simulate(names), int8) < 0.1 * error(int8, exact)


def test_one_layer_is_as_if_the_others_were_kept() -> None:
    """Each error is that of a graph quantized with all others kept, to a tenth; the greatest comes first."""
    model = split_shortcuts(small())  # whose parts have the same ranges whichever is rounded
    exact = output(model, WHOLE)
    found = sensitivity(model, SAMPLES)
    assert [layer.error for layer in found] == sorted((layer.error for layer in found), reverse=True)
    for layer in found:
        others = [other.name for other in found if other != layer]
        alone = output(quantize(model, SAMPLES, keep=others), WHOLE)
        assert layer.error == pytest.approx(error(alone, exact), rel=0.1)


def test_the_shortcut_of_two_ranges_is_the_most_sensitive() -> None:
    """The layer made to lose most is found first, and keeping it is what `kept` says for a third."""
    model = small()
    worst = named(model, "Convolution")[1]
    assert kept(model, SAMPLES, 1 / 3) == (worst,)
    assert kept(model, SAMPLES, 0.0) == ()


def test_compressed_weights_are_measured_too() -> None:
    """Layers in 4 bits have errors of their own, which together predict the graph's within a third."""
    model = small()
    compressed = compress(model, "int4", group_size=16)
    found = sensitivity(model, SAMPLES, compressed)
    whole = error(output(compressed, WHOLE), output(model, WHOLE))
    assert predicted_error(found) == pytest.approx(whole, rel=1 / 3)


def test_shares_and_predictions() -> None:
    """Errors of 3, 4 and 12 predict 13; half of three layers is two, and without these 3 is left."""
    layers = [Layer(name=name, error=e) for name, e in (("c", 12.0), ("b", 4.0), ("a", 3.0))]
    assert predicted_error(layers) == 13.0
    assert most_sensitive(layers, 0.5) == ("c", "b")
    assert predicted_error(layers, most_sensitive(layers, 0.5)) == 3.0
    assert most_sensitive(layers, 0.0) == ()
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="not from 0 to 1"):
            kept(None, SAMPLES, share)
