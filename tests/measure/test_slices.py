"""Slices: each passes on its own, and one is accused only with good reason."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from burnish.core.errors import SuiteError
from burnish.measure.slices import accusations, discovered, slice_outcomes


def values(n: int = 240, seed: int = 0) -> np.ndarray:
    """(n,) normal values of mean 0 and spread 1."""
    return np.random.default_rng(seed).standard_normal(n)


def parts(n: int, count: int) -> dict[str, np.ndarray]:
    """`count` slices of (n,) that do not overlap."""
    return {str(k): np.arange(n) % count == k for k in range(count)}


def test_a_slice_passes_and_a_regressed_one_is_named() -> None:
    """Of six slices of forty, five PASS and the one that lost two spreads FAILs, in either direction."""
    masks = parts(240, 6)
    changed = values() - 2.0 * masks["3"]
    for found in (slice_outcomes(changed, masks, -1.0), slice_outcomes(-changed, masks, 1.0, "lower")):
        assert {name: f.outcome for name, f in found.items()} == {
            name: "FAIL" if name == "3" else "PASS" for name in masks
        }
        assert found["3"].p_value < 0.01 < 0.9 < min(found[name].p_value for name in "01245")


def test_what_is_not_shown_either_way_is_inconclusive_and_says_how_many_decide() -> None:
    """A slice on its bound neither passes nor is accused."""
    found = slice_outcomes(values() - 0.9, parts(240, 6), -1.0)["0"]
    assert found.outcome == "INCONCLUSIVE"
    assert found.prompts_to_decide > 40


def test_small_slices_cannot_be_judged_and_do_not_disturb_the_others() -> None:
    """None and one unit are INCONCLUSIVE with a reason; the p-values of the others stay as they are."""
    masks = parts(240, 6)
    small = {"none": np.zeros(240, dtype=np.bool_), "one": np.arange(240) == 5}
    changed = values() - 1.5 * masks["3"]
    found = slice_outcomes(changed, small | masks, -1.0)
    for name in small:
        assert (found[name].outcome, found[name].interval, found[name].p_value) == ("INCONCLUSIVE", None, 1.0)
        assert "cannot be judged" in found[name].why
    assert {name: found[name] for name in masks} == slice_outcomes(changed, masks, -1.0)


def test_a_lucky_slice_without_spread_borrows_the_suites() -> None:
    """Twelve units that miss a loss which one in ten shows do not PASS for want of any spread."""
    changed = np.where(np.arange(240) % 10 == 9, -10.0, 0.0)
    lucky = np.arange(240) < 9
    found = slice_outcomes(changed, {"lucky": lucky}, -1.0)["lucky"]
    assert changed[lucky].std() == 0.0
    assert found.outcome == "INCONCLUSIVE"
    assert found.interval is not None
    assert found.interval.low < -1.0 < found.interval.mean == 0.0 < found.interval.high


def test_one_slice_of_few_units_has_the_exact_sign_flip_p_value() -> None:
    """Seven values have 128 equally likely signs: the drawn p-value is the listed share, within 3 errors."""
    short = -np.array([0.2, 0.5, -0.1, 0.9, 0.3, 0.7, -0.2])
    signs = np.array(list(product([-1.0, 1.0], repeat=7)))

    def studentised(rows: np.ndarray) -> np.ndarray:
        return rows.mean(axis=-1) / rows.std(axis=-1, ddof=1)

    exact = np.mean(studentised(signs * short) <= studentised(short) + 1e-9)
    found = accusations(short, {"all": np.ones(7, dtype=np.bool_)}, 0.0)["all"]
    assert found >= exact - 3 * np.sqrt(exact * (1 - exact) / 2000)  # Mammen's weights may say more
    assert found <= exact + 0.05


def test_looking_at_more_slices_costs_and_the_same_slice_again_does_not() -> None:
    """Twenty copies of a slice are one question; twenty slices apart are twenty."""
    masks = parts(240, 20)
    changed = values(seed=3) - 0.8 * masks["7"]
    alone = accusations(changed, {"7": masks["7"]}, 0.0)["7"]
    copies = accusations(changed, {str(k): masks["7"] for k in range(20)}, 0.0)["7"]
    among = accusations(changed, masks, 0.0)["7"]
    assert alone == copies < 0.05
    assert among > 4 * alone


def test_stepping_down_the_second_worst_is_no_longer_compared_with_the_worst() -> None:
    """Adjusted p-values keep the order of the slices' distances, and are those of the rest alone or more."""
    masks = parts(240, 6)
    changed = values(seed=4) - 3.0 * masks["0"] - 0.5 * masks["1"]
    found = accusations(changed, masks, 0.0)
    rest = accusations(changed, {name: m for name, m in masks.items() if name != "0"}, 0.0)
    assert found["0"] <= found["1"]
    assert found["1"] == pytest.approx(max(rest["1"], found["0"]))


def test_the_same_values_give_the_same_p_values() -> None:
    """The generator's seed is fixed, and the order of slices does not count."""
    masks = parts(240, 6)
    turned = dict(reversed(masks.items()))
    assert accusations(values(), masks, 0.1) == accusations(values(), turned, 0.1)


def test_variants_of_a_prompt_are_one_observation() -> None:
    """Each value eight times over is not eight times as sure, where its unit is named."""
    once, masks = values(40) - 0.1, parts(40, 2)
    eight, eight_masks = np.repeat(once, 8), {name: np.repeat(m, 8) for name, m in masks.items()}
    units = [str(k // 8) for k in range(320)]
    named = slice_outcomes(eight, eight_masks, 0.0, units=units)
    alone = slice_outcomes(once, masks, 0.0)
    assert accusations(eight, eight_masks, 0.0)["0"] < 0.3 * named["0"].p_value
    for name in masks:
        assert named[name].p_value == pytest.approx(alone[name].p_value)
        assert named[name].interval.low == pytest.approx(alone[name].interval.low)
        assert named[name].interval.n == 20


def test_a_slice_takes_only_its_own_variants_of_a_unit() -> None:
    """Typos that lose are not hidden by the clean prompts of the same units."""
    clean = values(60) * 0.3
    both = np.stack([clean, clean - 2.0], axis=1).ravel()
    typos = np.arange(120) % 2 == 1
    found = slice_outcomes(
        both, {"clean": ~typos, "typos": typos}, -0.5, units=[str(k // 2) for k in range(120)]
    )
    assert {name: f.outcome for name, f in found.items()} == {"clean": "PASS", "typos": "FAIL"}


def test_values_and_masks_that_do_not_fit_are_refused() -> None:
    """No value, NaN, a mask of another length or of numbers raise SuiteError."""
    mask = np.ones(4, dtype=np.bool_)
    for given, masks in (
        (np.ones(0), {}),
        (np.array([1.0, np.nan, 1.0, 1.0]), {"a": mask}),
        (np.ones(5), {"a": mask}),
        (np.ones(4), {"a": np.ones(4)}),
        (np.ones((2, 2)), {"a": mask}),
    ):
        with pytest.raises(SuiteError):
            slice_outcomes(given, masks, 0.0)


def topics(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 16) of norm 1 around eight directions, and which one each is of."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 8, n)
    rows = np.eye(8, 16)[topic] + 0.15 * rng.standard_normal((n, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), topic


def test_a_planted_bad_topic_is_found_and_confirmed_on_the_other_half() -> None:
    """The cluster accused is the topic that lost, and it is named the same each time."""
    features, topic = topics(320)
    changed = values(320, seed=1) - 2.5 * (topic == 2)
    found = discovered(features, changed, -1.0)
    accused = [name for name, f in found.findings.items() if f.outcome == "FAIL"]
    assert len(accused) == 1
    assert (topic[found.slices[accused[0]]] == 2).mean() > 0.95
    again = discovered(features, changed, -1.0)
    assert again.findings == found.findings


def test_what_nominates_a_cluster_does_not_judge_it() -> None:
    """The nominating half's own values change who is nominated and no finding's number."""
    features, topic = topics(320)
    changed = values(320, seed=1) - 2.5 * (topic == 2)
    first = np.isin(np.arange(320), np.random.Generator(np.random.Philox(0)).permutation(320)[:160])
    name = next(n for n, f in discovered(features, changed, -1.0).findings.items() if f.outcome == "FAIL")
    worse = discovered(features, changed - 5.0 * first, -1.0)
    assert worse.findings[name].interval is not None
    before = discovered(features, changed, -1.0).findings[name].interval
    assert worse.findings[name].interval == before
    assert worse.findings[name].interval.n == (worse.slices[name] & ~first).sum()


def test_too_few_units_are_not_clustered() -> None:
    """Fewer than two a cluster raise SuiteError, and so do features of other units."""
    features, _ = topics(20)
    for n in (15, 19):
        with pytest.raises(SuiteError):
            discovered(features[:15], values(n), 0.0)
    same = np.tile(features[:1], (20, 1))  # all alike: one cluster and seven empty ones
    assert len(discovered(same, values(20) - 9.0, 0.0).slices) == 1
