"""The interval of a paired difference is Tango's, and planning agrees with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval
from burnish.measure.interval import MOST_PROMPTS
from burnish.measure.proportions import prompts_to_decide_proportion, proportions_interval

TWO_SIDED = 0.975  # one-sided level of a two-sided 95 % interval, as papers give it


def flags(gained: int, lost: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ours and theirs (n,), alike but for `gained` that only ours has and `lost` that only theirs has."""
    ours, theirs = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    ours[:gained] = True
    theirs[gained : gained + lost] = True
    return ours, theirs


def interval(gained: int, lost: int, n: int, level: float = 0.95) -> Interval:
    """Of so many disagreements."""
    return proportions_interval(*flags(gained, lost, n), level=level)


counts = st.integers(1, 400).flatmap(
    lambda n: st.integers(0, n).flatmap(
        lambda gained: st.tuples(st.just(gained), st.integers(0, n - gained), st.just(n))
    )
)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "low", "high"),
    [(1, 7, 21, -0.517, -0.026), (40, 20, 160, 0.0309, 0.2181)],
)
def test_published_intervals_come_out(gained: int, lost: int, n: int, low: float, high: float) -> None:
    """Fagerland, Lydersen and Laake's example (2014), and Agresti's in the R package PropCIs."""
    found = interval(gained, lost, n, TWO_SIDED)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4 if n == 21 else 6e-5)
    assert found.mean == pytest.approx((gained - lost) / n)
    assert (found.n, found.confidence) == (n, pytest.approx(0.95))


@pytest.mark.parametrize("n", [1, 10, 59, 1000])
def test_where_one_answer_holds_the_ends_have_a_closed_form(n: int) -> None:
    """No disagreement gives -+ z^2 / (n + z^2); all gained gives (n - z^2) / (n + z^2) to 1."""
    square = float(ndtri(0.95)) ** 2
    none, all_gained = interval(0, 0, n), interval(n, 0, n)
    assert none.high == pytest.approx(square / (n + square), abs=1e-9)
    assert all_gained.low == pytest.approx((n - square) / (n + square), abs=1e-9)
    assert all_gained.high == 1.0
    assert interval(0, n, n).low == -1.0


@given(counts)
def test_swapping_the_models_changes_the_sign_alone(count: tuple[int, int, int]) -> None:
    """Ours minus theirs is theirs minus ours, mirrored; the ends lie in [-1, 1] and hold the estimate."""
    gained, lost, n = count
    found, mirrored = interval(gained, lost, n), interval(lost, gained, n)
    assert (found.low, found.mean, found.high) == (-mirrored.high, -mirrored.mean, -mirrored.low)
    assert -1.0 <= found.low <= found.mean <= found.high <= 1.0
    assert found.low < found.high


@given(counts)
def test_more_prompts_alike_narrow_it(count: tuple[int, int, int]) -> None:
    """Three times as many prompts that agree in the same shares have a narrower interval."""
    gained, lost, n = count
    once, more = interval(gained, lost, n), interval(3 * gained, 3 * lost, 3 * n)
    assert more.high - more.low < once.high - once.low


def test_prompts_on_which_both_agree_say_nothing_of_their_own() -> None:
    """Only how many there are counts, not whether both have the property or neither does."""
    ours, theirs = flags(4, 9, 50)
    both = np.arange(50) >= 30
    assert proportions_interval(ours | both, theirs | both) == proportions_interval(ours, theirs)


@pytest.mark.parametrize("both", [0.0, 0.05, 0.3])
def test_at_the_bound_a_pass_is_false_one_time_in_twenty(both: float) -> None:
    """With 60 prompts and a true loss of 5 %, over every outcome: 5.3 % at most, whatever the rest."""
    n, loss = 60, 0.05
    gained, lost = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    of_each = np.stack([gained, lost, n - gained - lost], axis=-1)[gained + lost <= n]
    chance = stats.multinomial.pmf(of_each, n, [both, both + loss, 1 - 2 * both - loss])
    likely = chance > 1e-7  # the others sum to less than 0.0002
    passes = [interval(int(b), int(c), n).low >= -loss for b, c, _ in of_each[likely]]
    assert chance[likely].sum() > 0.999
    assert 0.01 < chance[likely][passes].sum() < 0.053


def test_flags_that_are_no_pairs_are_refused() -> None:
    """Other lengths, no prompt or flags by seed raise SuiteError."""
    for ours, theirs in ((4, 5), (0, 0), ((3, 2), (3, 2))):
        with pytest.raises(SuiteError):
            proportions_interval(np.zeros(ours, dtype=np.bool_), np.zeros(theirs, dtype=np.bool_))


def test_with_no_disagreement_planning_is_the_interval_solved_for_n() -> None:
    """The number named is the first whose interval clears the bound: z^2 (1 - m) / m."""
    needed = prompts_to_decide_proportion(*flags(0, 0, 10), bound=-0.05)
    assert needed == 52
    assert interval(0, 0, needed).low >= -0.05 > interval(0, 0, needed - 1).low


def test_so_many_prompts_do_decide_four_times_in_five() -> None:
    """With models that disagree as seen, 76 to 90 % of 1,000 suites of the size it names clear the bound."""
    needed = prompts_to_decide_proportion(*flags(5, 5, 100), bound=-0.05)
    rng = np.random.default_rng(0)
    clear = 0
    for gained, lost, _ in rng.multinomial(needed, [0.05, 0.05, 0.9], size=1000):
        clear += interval(int(gained), int(lost), needed).low >= -0.05
    assert 0.76 <= clear / 1000 <= 0.90


def test_a_difference_on_its_bound_is_never_decided() -> None:
    """10^6 stands for that; and the number is always above the prompts already seen."""
    assert prompts_to_decide_proportion(*flags(5, 10, 100), bound=-0.05) == MOST_PROMPTS
    assert prompts_to_decide_proportion(*flags(0, 0, 500), bound=-0.05) == 501
