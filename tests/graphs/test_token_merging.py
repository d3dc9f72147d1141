"""Self-attention over a grid asks the means of rectangles; nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from burnish.graphs.token_merging import merge_tokens, self_attentions
from tests.conftest import DDPM, DIT, SD, Stores
from tests.graphs.small_graphs import graph, inputs_of, lowered, output

HEADS, WIDTH = 2, 4


class Attention(nn.Module):
    """Attention of a picture's tokens to themselves, the queries as they are, keys and values doubled."""

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 8, h, w) -> (b, 8, h, w)."""
        batch, _, height, width = sample.shape
        tokens = sample.reshape(batch, HEADS, WIDTH, -1).transpose(2, 3)
        out = nn.functional.scaled_dot_product_attention(tokens, 2 * tokens, 2 * tokens)
        return out.transpose(2, 3).reshape(batch, -1, height, width)


def merged(sample: Tensor, rectangle: tuple[int, int]) -> Tensor:
    """What `Attention` gives with pooled keys and values, by PyTorch's own pooling."""
    batch, _, height, width = sample.shape
    fewer = nn.functional.avg_pool2d(sample, rectangle, ceil_mode=True, count_include_pad=False)
    queries, keys = (x.reshape(batch, HEADS, WIDTH, -1).transpose(2, 3) for x in (sample, fewer))
    out = nn.functional.scaled_dot_product_attention(queries, 2 * keys, 2 * keys)
    return out.transpose(2, 3).reshape(batch, -1, height, width)


def picture(height: int, width: int) -> Tensor:
    """Two random pictures."""
    return torch.randn(2, HEADS * WIDTH, height, width, generator=torch.Generator().manual_seed(height))


def attention() -> Any:
    """The module as a graph with open height and width."""
    return graph(Attention(), picture(8, 8))


@pytest.mark.parametrize("size", [(8, 8), (6, 10), (5, 7)])
@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(("share", "rectangle"), [(0.5, (1, 2)), (0.75, (2, 2))])
def test_keys_and_values_are_means_of_rectangles(
    size: tuple[int, int], static: bool, share: float, rectangle: tuple[int, int]
) -> None:
    """At any size, even or odd, open or set before or after, the graph is PyTorch's pooled attention."""
    model, x = attention(), picture(*size)
    given = {"sample": x.numpy()}
    if static:
        model.reshape({"sample": list(x.shape)})
    expected = merged(x, rectangle).numpy()
    np.testing.assert_allclose(output(merge_tokens(model, share), given), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(output(model, given) - expected).max() > 0.01


@pytest.mark.parametrize("name", [SD, DDPM, DIT])
def test_a_denoiser_of_each_family_is_another(name: str, store: Stores) -> None:
    """With tokens merged a denoiser differs and is finite, the more so the more are merged."""
    model = lowered(store(name).model, "denoiser")
    given = inputs_of(model, 3, batch=2)
    plain, half, most = (output(m, given) for m in (model, *(merge_tokens(model, s) for s in (0.5, 0.75))))
    assert np.isfinite(most).all()
    assert 0 < np.linalg.norm(half - plain) < np.linalg.norm(most - plain)


class TwoResolutions(nn.Module):
    """Attention over a picture, and over its half."""

    def forward(self, sample: Tensor) -> Tensor:
        """(b, 8, h, w) -> (b, 8, h, w)."""
        coarse = Attention()(nn.functional.avg_pool2d(sample, 2))
        return Attention()(sample) + nn.functional.interpolate(coarse, scale_factor=2)


def test_only_the_finest_is_changed() -> None:
    """Of two resolutions the coarser attends as before."""
    model, x = graph(TwoResolutions(), picture(8, 8)), picture(8, 8)
    assert sorted(self_attentions(model).values()) == [1, 2]
    coarse = Attention()(nn.functional.avg_pool2d(x, 2))
    expected = merged(x, (2, 2)) + nn.functional.interpolate(coarse, scale_factor=2)
    found = output(merge_tokens(model, 0.75), {"sample": x.numpy()})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_text_is_left_alone(store: Stores) -> None:
    """A text encoder has self-attention over a sentence, which is no grid: nothing changes."""
    model = lowered(store(SD).model, "text_encoder")
    given = {"input_ids": np.arange(16, dtype=np.int64)[None]}
    assert self_attentions(model) == {}
    assert np.array_equal(output(merge_tokens(model, 0.75), given), output(model, given))


@pytest.mark.parametrize("share", [0.0, 0.3, -0.5, 1.0])
def test_a_share_that_no_rectangle_merges_is_refused(share: float) -> None:
    """What is not half or three quarters raises ValueError."""
    with pytest.raises(ValueError, match=f"share is {share}, not one of 0.5, 0.75"):
        merge_tokens(attention(), share)
