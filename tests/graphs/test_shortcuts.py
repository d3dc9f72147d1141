"""A convolution of a concatenation is a sum of convolutions, and int8 gives each its own scale."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.graphs import quantize
from burnish.graphs.shortcuts import split_shortcuts
from tests.conftest import DDPM, DIT, SD, Stores
from tests.graphs.small_graphs import error, latents, lowered, named, output, small


def test_the_function_stays() -> None:
    """The sum of parts is the convolution of the whole to rounding, and the model given is untouched."""
    model = small()
    before = named(model, "Convolution")
    split = split_shortcuts(model)
    assert named(model, "Convolution") == before
    assert set(named(split, "Convolution")) == {before[0], f"{before[1]}/part_0", f"{before[1]}/part_1"}
    given = latents(2, 3)
    np.testing.assert_allclose(output(split, given), output(model, given), rtol=1e-4, atol=1e-4)


def test_int8_loses_less() -> None:
    """Where parts differ in range sixtyfold, int8 loses less than half of what it loses with one scale."""
    model, samples, given = small(), [latents(k) for k in range(16)], latents(99)
    whole, split = (
        error(output(quantize(m, samples, transformer=False), given), output(model, given))
        for m in (model, split_shortcuts(model))
    )
    assert 0 < split < 0.5 * whole


@pytest.mark.parametrize(("name", "count"), [(SD, 4), (DDPM, 4), (DIT, 0)])
def test_a_unet_has_a_shortcut_for_each_skip(name: str, count: int, store: Stores) -> None:
    """UNets of two levels, a resnet each, have four raw concatenations, all split; a transformer has none."""
    model = lowered(store(name).model, "denoiser")
    before, after = (len(named(m, "Convolution")) for m in (model, split_shortcuts(model)))
    assert after == before + count
