"""Distances and diversity of whole sets of pictures, against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import SuiteError
from burnish.measure.metrics import kernels
from burnish.measure.metrics import mmd as mmd_module
from burnish.measure.metrics.broken import repeated
from burnish.measure.metrics.diversity import diversity
from burnish.measure.metrics.kernels import paired_kernel, squared_mmd, swap_p_value
from burnish.measure.metrics.kid import kid
from burnish.measure.metrics.mmd import median_width, mmd
from burnish.measure.metrics.neighbours import neighbours
from burnish.measure.metrics.vendi import vendi


def normal(*shape: int, seed: int = 0) -> Any:
    """Features of independent standard normals, with rows of norm 1."""
    x = np.random.Generator(np.random.Philox(seed)).standard_normal(shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def dependent(seed: int, prompts: int = 60, seeds: int = 2, d: int = 16) -> tuple[Any, Any]:
    """Two models that are alike and draw the same prompts: pictures of a prompt resemble each other."""
    rng = np.random.Generator(np.random.Philox(seed))
    prompt = rng.standard_normal((prompts, 1, d))
    both = [prompt + 0.5 * rng.standard_normal((prompts, seeds, d)) for _ in range(2)]
    a, b = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in both)
    return a.astype(np.float32), b.astype(np.float32)


@pytest.mark.parametrize("distance", [kid, mmd])
def test_kernel_distances_are_zero_on_average_where_models_are_alike(distance: Any) -> None:
    """Over 200 pairs of alike models the mean is within three standard errors of 0."""
    values = np.array([distance(*dependent(seed))[0] for seed in range(200)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(len(values))


@pytest.mark.parametrize("distance", [kid, mmd])
def test_alike_models_are_told_apart_one_time_in_twenty(distance: Any) -> None:
    """P is at most 0.05 in 5 % of 400 pairs of alike models, within Monte Carlo error (99.9 %: 2 to 9 %)."""
    rate = np.mean([distance(*dependent(seed))[1] <= 0.05 for seed in range(400)])
    assert 0.02 <= rate <= 0.09


@pytest.mark.parametrize("distance", [kid, mmd])
def test_a_shift_is_seen(distance: Any) -> None:
    """A model whose features all move one way is far away, at the smallest p-value there is."""
    a, b = dependent(1)
    value, p = distance(a + np.float32(0.2), b)
    assert value > 0
    assert p == pytest.approx(1 / 2001)


def test_the_kernel_distance_is_the_textbook_sum() -> None:
    """With one seed it is Gretton's equation 4, written out."""
    x, y = normal(70, 1, 4), normal(70, 1, 4, seed=1)
    found = squared_mmd(paired_kernel(x, y, lambda a, b: a @ b.T))
    total = 0.0
    for i in range(70):
        for j in range(70):
            if i != j:
                total += float((x[i, 0] - y[i, 0]) @ (x[j, 0] - y[j, 0]))
    assert found == pytest.approx(total / (70 * 69), rel=1e-5)


def test_kid_and_mmd_are_the_sums_of_their_kernels() -> None:
    """Cubic of the dot product over d, plus 1; Gaussian of the median distance; each pair of prompts once."""
    x, y = (normal(60, 1, 4, seed=k).astype(np.float64)[:, 0] for k in (5, 6))
    gaps = [np.linalg.norm(y[i] - y[j]) for i in range(60) for j in range(i)]
    kernels_of = {
        kid: lambda a, b: (float(a @ b) / 4 + 1) ** 3,
        mmd: lambda a, b: math.exp(-float(np.square(a - b).sum()) / (2 * float(np.median(gaps)) ** 2)),
    }
    for distance, k in kernels_of.items():
        terms = [
            k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(y[i], x[j])
            for i in range(60)
            for j in range(60)
            if i != j
        ]
        ours = distance(x[:, None].astype(np.float32), y[:, None].astype(np.float32))[0]
        assert ours == pytest.approx(np.mean(terms), rel=1e-3, abs=1e-7)


def test_a_large_suite_takes_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more prompts than the bound, kernel distances are those of the first ones."""
    x, y = dependent(3, prompts=70)
    first = kid(x[:60], y[:60]), mmd(x[:60], y[:60])
    monkeypatch.setattr(kernels, "MOST_PROMPTS", 60)
    monkeypatch.setattr(mmd_module, "MOST_ROWS", 60)
    assert (kid(x, y), mmd(x, y)) == first
    assert paired_kernel(x, y, lambda a, b: a @ b.T).shape == (60, 60)


def test_the_kernels_width_is_the_median_of_at_most_a_thousand_references() -> None:
    """What lies beyond them changes nothing, and pictures that are all the same leave a width above 0."""
    x = normal(1100, 1, 3)
    distances = np.concatenate([np.linalg.norm(x[:k, 0] - x[k, 0], axis=1) for k in range(1, 1000)])
    assert median_width(x) == pytest.approx(float(np.median(distances)), rel=1e-5)
    x[1000:] = 100.0
    assert median_width(x) == pytest.approx(float(np.median(distances)), rel=1e-5)
    assert median_width(np.ones((60, 1, 3), dtype=np.float32)) > 0


def test_a_model_against_itself_has_no_distance() -> None:
    """0, and every swap is as far."""
    x = normal(50, 2, 8)
    assert kid(x, x) == (pytest.approx(0.0, abs=1e-12), 1.0)
    assert swap_p_value(np.zeros((20, 20))) == 1.0


@pytest.mark.parametrize("d", [2, 16, 128])
def test_coverage_and_density_have_their_closed_form(d: int) -> None:
    """Two samples of one distribution: density 1, coverage 1 - prod (n-1-i)/(2n-1-i), as published."""
    n, k, repeats = 300, 5, 20
    rng = np.random.Generator(np.random.Philox(d))
    draws = [rng.standard_normal((2, n, d)).astype(np.float32) for _ in range(repeats)]
    found = [neighbours(x, y, k) for x, y in draws]
    expected = 1 - math.prod((n - 1 - i) / (2 * n - 1 - i) for i in range(k))
    assert np.mean([f.coverage for f in found]) == pytest.approx(expected, abs=0.006)
    assert np.mean([f.density for f in found]) == pytest.approx(1.0, abs=0.03)


def test_a_collapsed_model_is_precise_and_recalls_nothing() -> None:
    """All pictures near one reference: precision 1, recall and coverage nearly 0."""
    references = normal(200, 16)
    collapsed = references[:1] + 1e-4 * normal(200, 16, seed=1)
    found = neighbours(collapsed, references)
    assert found.precision == 1.0
    assert found.recall < 0.02
    assert found.coverage < 0.1


def test_neighbours_of_sets_of_another_size_are_refused() -> None:
    """All four depend on n."""
    with pytest.raises(SuiteError, match="20 and 30 pictures"):
        neighbours(normal(20, 4), normal(30, 4))
    with pytest.raises(SuiteError, match="99 pictures are too few"):
        neighbours(normal(99, 4), normal(99, 4))


@given(n=st.integers(1, 24), copies=st.integers(1, 4))
def test_vendi_counts_different_pictures(n: int, copies: int) -> None:
    """N orthogonal pictures are n, however often each is repeated; one picture is 1."""
    assert vendi(np.repeat(np.eye(24, dtype=np.float32)[:n], copies, axis=0)) == pytest.approx(n)


def test_diversity_is_the_mean_distance_between_seeds() -> None:
    """The same as over all pairs, one by one; 0 where seeds draw the same."""
    x = normal(5, 4, 8)
    pairs = [[1 - float(p[i] @ p[j]) for i in range(4) for j in range(i)] for p in x]
    assert diversity(x) == pytest.approx(np.mean(pairs, axis=1), abs=1e-6)
    assert diversity(np.repeat(x[:, :1], 3, axis=1)) == pytest.approx(np.zeros(5), abs=1e-6)


def test_the_same_picture_from_two_seeds_is_seen() -> None:
    """Byte for byte; one level of one pixel is another picture."""
    images = np.zeros((3, 8, 8, 3), dtype=np.uint8)
    images[1, 0, 0, 0], images[2, 0, 0, 0] = 1, 2
    assert not repeated(images)
    images[2, 0, 0, 0] = 1
    assert repeated(images)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kid(normal(49, 2, 4), normal(49, 2, 4)), "49 prompts are too few"),
        (lambda: mmd(normal(9, 2, 4), normal(9, 3, 4)), "cannot be paired"),
        (lambda: diversity(normal(9, 1, 4)), "one seed a prompt"),
        (lambda: vendi(normal(0, 4)), "no pictures"),
    ],
)
def test_too_little_is_refused(call: Any, words: str) -> None:
    """With what there is, and what is needed."""
    with pytest.raises(SuiteError, match=words):
        call()
