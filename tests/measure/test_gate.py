"""The gate on scores whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from burnish.core.errors import SuiteError
from burnish.core.evidence import Interval, Prompt, Verdict
from burnish.measure.checks import broken_check, decide, worst
from burnish.measure.gate import Control, Limits, verdict
from burnish.measure.margin import Margin, seed_spread
from burnish.measure.scores import Scores

SEED_SD = 2.0  # between seeds of a prompt
MARGIN = 0.25 * SEED_SD


def scores(alignment: np.ndarray, broken: float = 0.0, **same: float) -> Scores:
    """Scores with this alignment, every picture near its reference, and a share of prompts broken."""
    close = {"psnr": 35.0, "ssim": 0.97, "distance": 0.01} | same
    rng = np.random.default_rng(9)
    jitter = {k: v * (1 + 0.01 * rng.standard_normal(alignment.shape)) for k, v in close.items()}
    flags = np.zeros(alignment.shape, dtype=np.bool_)
    flags[: round(broken * len(flags)), 0] = True
    return Scores(alignment=alignment, broken=flags, **jitter)


def reference(rng: np.random.Generator, prompts: int, seeds: int = 4) -> Scores:
    """Alignments that differ by 5 points between prompts and by SEED_SD between seeds."""
    level = 25 + 5 * rng.standard_normal((prompts, 1))
    return scores(level + SEED_SD * rng.standard_normal((prompts, seeds)))


def changed(ref: Scores, rng: np.random.Generator, loss: float, sd: float = 1.0) -> Scores:
    """The reference with `loss` points less, and noise of `sd` a picture."""
    return scores(ref.alignment - loss + sd * rng.standard_normal(ref.shape))


def damage(ref: Scores) -> Control:
    """A planted damage that no gate of enough prompts lets through."""
    ruined = scores(ref.alignment - 10, broken=0.5, psnr=10.0, ssim=0.2, distance=0.6)
    return Control(name="ruined", scores=ruined, expected="FAIL")


def judged(floor: str, candidate: Scores, ref: Scores) -> Verdict:
    """The verdict with a control that behaves."""
    return verdict(floor, candidate, ref, [damage(ref)])


@pytest.mark.parametrize(
    ("interval", "bound", "direction", "outcome"),
    [
        ((1, 3), 0, "higher", "PASS"),
        ((0, 3), 0, "higher", "PASS"),
        ((-1, 3), 0, "higher", "INCONCLUSIVE"),
        ((-3, -1), 0, "higher", "FAIL"),
        ((1, 3), 4, "lower", "PASS"),
        ((1, 3), 3, "lower", "PASS"),
        ((1, 5), 4, "lower", "INCONCLUSIVE"),
        ((5, 6), 4, "lower", "FAIL"),
    ],
)
def test_an_interval_is_on_one_side_of_its_bound_or_on_none(
    interval: tuple[float, float], bound: float, direction: str, outcome: str
) -> None:
    """PASS needs the worse end on the good side, FAIL the better end on the bad side."""
    low, high = interval
    assert decide(Interval(mean=(low + high) / 2, low=low, high=high, n=9), bound, direction) == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.0, 0.04, "PASS"), (0.02, 0.04, "FAIL"), (0, 0.2, "INCONCLUSIVE")]
)
def test_what_is_not_tolerated_fails_within_the_bound(low: float, high: float, outcome: str) -> None:
    """A rate shown to be above what is tolerated FAILs though it is shown to be below the bound."""
    interval = Interval(mean=(low + high) / 2, low=low, high=high, n=99)
    assert decide(interval, 0.05, "lower", tolerated=0.01) == outcome


def test_variants_of_a_prompt_count_once() -> None:
    """Sixty prompts with five variants each have an interval of sixty, and break as sixty."""
    rng = np.random.default_rng(21)
    ref = reference(rng, 300)
    candidate = changed(ref, rng, 0.0)
    lines = [Prompt(prompt=f"{k} {v}", variant_of=str(k)) for k in range(60) for v in range(5)]
    found = verdict("equivalent", candidate, ref, [damage(ref)], prompts=lines)
    assert [check.interval.n for check in found.checks] == [60, 60]


def test_a_slice_that_regressed_is_named_though_the_mean_hides_it() -> None:
    """One slice in ten loses six points: the whole passes, the slice FAILs, and so does the verdict."""
    rng = np.random.default_rng(22)
    ref = reference(rng, 300)
    lines = [Prompt(prompt=str(k), tags=(f"slice {k % 10}",)) for k in range(300)]
    loss = np.where(np.arange(300) % 10 == 3, 6.0, -0.7)[:, None]
    candidate = scores(ref.alignment - loss + rng.standard_normal(ref.shape))
    found = verdict("equivalent", candidate, ref, [damage(ref)], prompts=lines)
    assert worst(found.checks) == "PASS"
    assert [c.metric for c in found.slices if c.outcome == "FAIL"] == ["slice 3"]
    assert found.outcome == "FAIL"


def test_a_slice_of_one_prompt_decides_nothing() -> None:
    """It has no interval, so the verdict is INCONCLUSIVE, never PASS."""
    rng = np.random.default_rng(23)
    ref = reference(rng, 100)
    lines = [Prompt(prompt=str(k), tags=("alone",) if k == 0 else ()) for k in range(100)]
    found = verdict("equivalent", changed(ref, rng, 0.0), ref, [damage(ref)], prompts=lines)
    assert [c.outcome for c in found.slices] == ["INCONCLUSIVE"]
    assert found.outcome == "INCONCLUSIVE"


def test_a_control_on_some_prompts_is_judged_on_those() -> None:
    """Scores of a quarter of the prompts are compared with the reference's of the same quarter."""
    rng = np.random.default_rng(24)
    ref = reference(rng, 240)
    which = np.arange(0, 240, 4)
    part = ref.of(which)
    again = Control(name="again", scores=part, expected="PASS", which=which)
    ruined = replace(damage(part), which=which)
    found = verdict("equivalent", ref, ref, [again, ruined])
    assert found.outcome == "PASS"
    assert [c.interval.n for c in found.controls] == [240, 60, 60]


@pytest.mark.parametrize("sd", [0.1, 1.0, 4.0])
def test_at_the_margin_a_pass_is_false_at_most_one_time_in_twenty(sd: float) -> None:
    """A candidate that loses exactly the margin passes in at most 5 % of 600 draws, and fails in few."""
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(600):
        ref = reference(rng, 60)
        check = verdict("equivalent", changed(ref, rng, MARGIN, sd), ref).checks[0]
        outcomes.append(check.outcome)
    monte_carlo = 2 * np.sqrt(0.05 * 0.95 / 600)
    assert 0.01 <= outcomes.count("PASS") / 600 <= 0.05 + monte_carlo
    assert 0.01 <= outcomes.count("FAIL") / 600 <= 0.05 + monte_carlo


@pytest.mark.parametrize(("loss", "outcome"), [(-1.0, "PASS"), (0.0, "PASS"), (2.0, "FAIL")])
def test_clear_cases_are_decided(loss: float, outcome: str) -> None:
    """With 80 prompts an improvement and no change PASS, and a loss of four margins FAILs."""
    rng = np.random.default_rng(1)
    ref = reference(rng, 80)
    found = judged("equivalent", changed(ref, rng, loss), ref)
    assert found.outcome == outcome
    assert found.checks[0].bound == pytest.approx(-MARGIN, rel=0.15)
    assert (found.prompts, found.seeds, found.floor) == (80, 4, "equivalent")


def test_few_prompts_are_inconclusive_and_more_are_named_that_decide() -> None:
    """Twelve prompts decide nothing; with about the number named, the gate passes."""
    rng = np.random.default_rng(2)
    ref = reference(rng, 12)
    found = judged("equivalent", changed(ref, rng, 0.0, sd=3.0), ref)
    needed = max(check.prompts_to_decide for check in found.checks)
    assert found.outcome == "INCONCLUSIVE"
    assert 59 <= needed <= 2000
    larger = reference(rng, 2 * needed)
    assert judged("equivalent", changed(larger, rng, 0.0, sd=3.0), larger).outcome == "PASS"


def test_the_prompt_is_the_unit() -> None:
    """More seeds of the same prompts do not make a prompt count more than once."""
    rng = np.random.default_rng(3)
    ref = reference(rng, 30, seeds=8)
    candidate = changed(ref, rng, 0.1)
    twice = [
        replace(
            s, **{k: np.tile(getattr(s, k), 2) for k in ("psnr", "ssim", "distance", "alignment", "broken")}
        )
        for s in (candidate, ref)
    ]
    once, again = (verdict("equivalent", a, b).checks for a, b in ((candidate, ref), twice))
    width, same = (c[0].interval.high - c[0].interval.low for c in (once, again))
    assert same == pytest.approx(width, rel=0.03)  # not narrower by a root of two
    assert once[1].interval == again[1].interval


@pytest.mark.parametrize(
    ("change", "metric"),
    [({"psnr": 20.0}, "PSNR"), ({"ssim": 0.7}, "SSIM"), ({"distance": 0.2}, "feature distance")],
)
def test_another_picture_is_not_faithful(change: dict[str, float], metric: str) -> None:
    """Each bound of the table fails on its own, and nothing fails where all are kept."""
    rng = np.random.default_rng(4)
    ref = reference(rng, 64)
    kept = judged("faithful", scores(ref.alignment), ref)
    lost = judged("faithful", scores(ref.alignment, **change), ref)
    assert kept.outcome == "PASS"
    assert lost.outcome == "FAIL"
    assert [c.metric for c in lost.checks if c.outcome == "FAIL"] == [metric]


@pytest.mark.parametrize("floor", ["faithful", "equivalent"])
@pytest.mark.parametrize(("share", "outcome"), [(0.0, "PASS"), (0.02, "INCONCLUSIVE"), (0.05, "FAIL")])
def test_broken_pictures_count_by_prompt_and_only_where_the_reference_is_whole(
    floor: str, share: float, outcome: str
) -> None:
    """Newly broken prompts decide both floors; what the reference breaks too is no one's fault."""
    rng = np.random.default_rng(5)
    ref = reference(rng, 100)
    candidate = scores(ref.alignment, broken=share)
    assert judged(floor, candidate, ref).outcome == outcome
    assert broken_check(candidate, candidate).interval.mean == 0.0
    assert broken_check(candidate, ref).interval.mean == pytest.approx(share)


def test_a_planted_damage_that_passes_withholds_the_verdict() -> None:
    """A gate that does not see what it must see says INCONCLUSIVE, and why."""
    rng = np.random.default_rng(6)
    ref = reference(rng, 100)
    unseen = Control(name="halved steps", scores=scores(ref.alignment), expected="FAIL")
    found = verdict("equivalent", scores(ref.alignment), ref, [damage(ref), unseen])
    assert worst(found.checks) == "PASS"
    assert found.outcome == "INCONCLUSIVE"
    assert [c.outcome for c in found.controls] == ["PASS", "FAIL", "PASS"]
    assert "must FAIL, but the gate says PASS" in found.controls[-1].why
    assert found.controls[1].why == "must FAIL, and does"


def test_without_a_planted_damage_there_is_no_verdict() -> None:
    """No control that must FAIL is visible as such, and withholds the verdict."""
    ref = reference(np.random.default_rng(7), 100)
    found = verdict("equivalent", ref, ref)
    assert found.outcome == "INCONCLUSIVE"
    assert "none was given" in found.controls[-1].why


def test_a_repetition_that_drifts_withholds_the_verdict() -> None:
    """A second run of the reference that must PASS and FAILs takes the gate's word away."""
    rng = np.random.default_rng(8)
    ref = reference(rng, 100)
    drifted = Control(name="the reference again", scores=changed(ref, rng, 3.0), expected="PASS")
    found = verdict("equivalent", ref, ref, [damage(ref), drifted])
    assert found.outcome == "INCONCLUSIVE"
    assert "must PASS, but the gate says FAIL" in found.controls[-1].why


def test_limits_move_the_bounds() -> None:
    """A wider margin lets through what the default fails."""
    rng = np.random.default_rng(10)
    ref = reference(rng, 100)
    candidate = changed(ref, rng, 2 * MARGIN)
    wide = verdict("equivalent", candidate, ref, [damage(ref)], Limits(margin=Margin(amount=1.0)))
    assert judged("equivalent", candidate, ref).outcome == "FAIL"
    assert wide.outcome == "PASS"


def test_the_frechet_distance_is_shown_where_there_are_enough_pictures() -> None:
    """Advisory, absent below as many pictures as features, and never decisive."""
    rng = np.random.default_rng(11)
    ref = reference(rng, 60)
    near, far = (replace(ref, features=rng.normal(m, 1, (60, 4, 8)).astype(np.float32)) for m in (0, 3))
    found = judged("equivalent", far, near)
    few = verdict("equivalent", *(replace(s, features=s.features.repeat(40, -1)) for s in (far, near)))
    assert found.outcome == "PASS"
    assert found.advisory["Fréchet distance"] == pytest.approx(8 * 9, rel=0.2)
    assert "Fréchet distance" not in few.advisory
    assert found.advisory["alignment"] == pytest.approx(ref.alignment.mean())


def test_distances_between_sets_are_shown_and_decide_nothing() -> None:
    """A candidate that draws one picture whatever the seed is told apart in every one of them, and passes."""
    rng = np.random.default_rng(13)
    ref = reference(rng, 60)
    features = rng.normal(0, 1, (60, 4, 8))
    features = (features / np.linalg.norm(features, axis=-1, keepdims=True)).astype(np.float32)
    ref = replace(ref, features=features)
    one = replace(ref, features=np.repeat(features[:, :1] * 0 + features[0, 0], 4, axis=1))
    same, collapsed = judged("equivalent", ref, ref), judged("equivalent", one, ref)
    assert (same.outcome, collapsed.outcome) == ("PASS", "PASS")
    assert same.advisory["KID, p-value"] == same.advisory["RBF-MMD, p-value"] == 1.0
    assert max(collapsed.advisory["KID, p-value"], collapsed.advisory["RBF-MMD, p-value"]) < 0.001
    assert collapsed.advisory["diversity within a prompt"] == pytest.approx(0.0, abs=1e-6)
    assert collapsed.advisory["Vendi score"] == pytest.approx(1.0)
    assert same.advisory["Vendi score"] == same.advisory["Vendi score of the reference"] > 7
    assert collapsed.advisory["coverage"] < 0.1 < same.advisory["coverage"]
    few = verdict("equivalent", ref.first(6), ref.first(6))
    assert not {"KID", "RBF-MMD", "coverage"} & few.advisory.keys()


def test_the_seed_spread_is_pooled_within_prompts() -> None:
    """How far prompts lie apart does not count, and one seed shows nothing."""
    ref = reference(np.random.default_rng(12), 400)
    assert seed_spread(ref.alignment) == pytest.approx(SEED_SD, rel=0.05)
    with pytest.raises(SuiteError, match="two seeds"):
        seed_spread(ref.alignment[:, :1])


def test_scores_that_do_not_fit_are_refused() -> None:
    """Other shapes, no prompts or a NaN raise SuiteError before anything is judged."""
    ref = reference(np.random.default_rng(13), 10)
    nan = ref.alignment.copy()
    nan[0, 0] = np.nan
    for wrong in ({"ssim": ref.ssim[:5]}, {"alignment": nan}, {"psnr": ref.psnr[:0]}):
        with pytest.raises(SuiteError):
            replace(ref, **wrong)
    with pytest.raises(SuiteError):
        verdict("equivalent", ref, reference(np.random.default_rng(13), 11))


def test_a_verdict_survives_json(tmp_path: Path) -> None:
    """Every number of a verdict is finite, so it is read back as it was written."""
    ref = reference(np.random.default_rng(14), 10)
    found = verdict("equivalent", scores(ref.alignment - 1.0, broken=0.1), ref)
    found.save(tmp_path / "verdict.json")
    assert Verdict.read(tmp_path / "verdict.json") == found
