"""Noise is a function of (seed, draw) and nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from burnish.core.errors import RequestError
from burnish.core.noise import SEED_LIMIT, noise

SHAPE = (4, 3, 3)
KNOWN = [-0.48364636301994324, -2.0180931091308594, 0.6625088453292847]
seeds = st.integers(0, SEED_LIMIT - 1)
draws = st.integers(0, 1001)


@given(asked=st.lists(seeds, min_size=1, max_size=6), draw=draws, data=st.data())
@settings(deadline=None)
def test_an_image_depends_on_its_seed_and_draw_alone(
    asked: list[int], draw: int, data: st.DataObject
) -> None:
    """Image k is the same alone, in a batch, and wherever the batch is permuted."""
    batch = noise(tuple(asked), SHAPE, draw)
    for k, seed in enumerate(asked):
        assert np.array_equal(batch[k : k + 1], noise((seed,), SHAPE, draw))
    order = data.draw(st.permutations(range(len(asked))))
    assert np.array_equal(noise(tuple(asked[k] for k in order), SHAPE, draw), batch[list(order)])


@given(first=st.tuples(seeds, draws), second=st.tuples(seeds, draws))
@settings(deadline=None)
def test_another_seed_or_draw_is_other_noise(first: tuple[int, int], second: tuple[int, int]) -> None:
    """Two pairs (seed, draw) have equal noise only when they are equal, and share no value but by chance."""
    (a, i), (b, j) = first, second
    ours, theirs = noise((a,), SHAPE, i), noise((b,), SHAPE, j)
    assert np.array_equal(ours, theirs) == (first == second)
    if first != second:
        assert len(np.intersect1d(ours, theirs)) <= 1


@pytest.mark.parametrize("draw", [0, 1, 50])
def test_noise_is_standard_normal_and_independent(draw: int) -> None:
    """A Kolmogorov-Smirnov test accepts N(0, 1); neighbouring seeds and draws do not correlate."""
    sample = noise(tuple(range(200)), (500,), draw)
    assert sample.dtype == np.float32
    assert stats.kstest(sample.ravel(), "norm").pvalue > 0.01
    bound = 5 / np.sqrt(sample[1:].size)
    assert abs(np.corrcoef(sample[:-1].ravel(), sample[1:].ravel())[0, 1]) < bound
    following = noise(tuple(range(200)), (500,), draw + 1)
    assert abs(np.corrcoef(sample.ravel(), following.ravel())[0, 1]) < bound


def test_noise_is_the_same_in_every_process() -> None:
    """Known numbers, here and in a fresh process: another numpy that draws otherwise would be noticed."""
    known = noise((7,), (3,), 2)[0].tolist()
    code = "from burnish.core.noise import noise; print(noise((7,), (3,), 2)[0].tolist())"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert answer.stdout.strip() == str(known)
    assert known == pytest.approx(KNOWN, abs=1e-7)


@pytest.mark.parametrize("seed", [-1, SEED_LIMIT, 2**200])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    """Seeds are 0 to 2^63 - 1; the error names the seed and the range."""
    with pytest.raises(RequestError, match=f"seed {seed} is out of range.*{SEED_LIMIT - 1}"):
        noise((0, seed), SHAPE)
