"""int8 leaves alone what it is told to keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.graphs import quantize
from tests.graphs.small_graphs import latents, named, output, small

SAMPLES = [latents(k) for k in range(16)]
LAYERS = ("Convolution", "MatMul")


def int8(model: Any) -> list[str]:
    """The layers whose weights are integers."""
    return [
        op.get_friendly_name()
        for op in model.get_ordered_ops()
        if op.get_type_name() in LAYERS and op.input_value(1).get_node().get_type_name() != "Constant"
    ]


def test_what_is_kept_stays_floating_point() -> None:
    """Of three layers the one named stays as it was, the others become int8; with all named nothing is."""
    model = small()
    names = named(model, *LAYERS)
    assert len(names) == 3
    assert int8(quantize(model, SAMPLES, transformer=False)) == names
    assert int8(quantize(model, SAMPLES, transformer=False, keep=names[:1])) == names[1:]
    neither = quantize(model, SAMPLES, transformer=False, keep=names)
    assert np.array_equal(output(neither, SAMPLES[0]), output(model, SAMPLES[0]))


def test_a_name_that_is_not_there_is_refused() -> None:
    """Keeping a layer that the model does not have raises ValueError with its name."""
    with pytest.raises(ValueError, match="no layer 'conv_9'"):
        quantize(small(), SAMPLES, keep=["conv_9"])
