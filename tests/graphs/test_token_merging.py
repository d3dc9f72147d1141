"""Self-attention over a grid asks the means of squares; nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from burnish.graphs.token_merging import merge_tokens
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


def merged(sample: Tensor) -> Tensor:
    """What `Attention` gives with pooled keys and values, by PyTorch's own pooling."""
    batch, _, height, width = sample.shape
    fewer = nn.functional.avg_pool2d(sample, 2, ceil_mode=True, count_include_pad=False)
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
def test_keys_and_values_are_means_of_squares(size: tuple[int, int], static: bool) -> None:
    """At any size, even or odd, open or set before or after, the graph is PyTorch's pooled attention."""
    model, x = attention(), picture(*size)
    given = {"sample": x.numpy()}
    if static:
        model.reshape({"sample": list(x.shape)})
    np.testing.assert_allclose(output(merge_tokens(model), given), merged(x).numpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(output(model, given) - merged(x).numpy()).max() > 0.01


@pytest.mark.parametrize("name", [SD, DDPM, DIT])
def test_no_level_is_the_model_and_one_is_another(name: str, store: Stores) -> None:
    """With 0 levels a denoiser of each family is the same to the bit; with 1 it differs and is finite."""
    model = lowered(store(name).model, "denoiser")
    given = inputs_of(model, 3, batch=2)
    plain, none, one = (output(m, given) for m in (model, merge_tokens(model, 0), merge_tokens(model, 1)))
    assert np.array_equal(none, plain)
    assert np.isfinite(one).all()
    assert not np.array_equal(one, plain)


def test_text_is_left_alone(store: Stores) -> None:
    """A text encoder has self-attention over a sentence, which is no grid: nothing changes."""
    model = lowered(store(SD).model, "text_encoder")
    given = {"input_ids": np.arange(16, dtype=np.int64)[None]}
    assert np.array_equal(output(merge_tokens(model, 9), given), output(model, given))


def test_fewer_than_no_levels_are_refused() -> None:
    """-1 levels raises ValueError."""
    with pytest.raises(ValueError, match="levels is -1"):
        merge_tokens(attention(), -1)
