"""How often the gate is wrong, by simulation of values whose truth is known, with the gate's own code.

`python -m benchmarks.simulation [draws]` prints the table and writes `results/simulation.md`. Every row is a
share of draws with what it must not be above, or below; the Monte Carlo error of 2,000 draws at 5 % is 0.5
points. It takes some ten minutes on two idle cores.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from burnish.measure.checks import broken_check, decide, mean_check
from burnish.measure.planning import planned_prompts, planned_rate_prompts, power_of_each
from burnish.measure.proportions import proportions_interval
from burnish.measure.rules import Rule
from burnish.measure.scores import Scores
from burnish.measure.slices import accusations, discovered, slice_outcomes
from burnish.measure.units import by_unit, number_units

RESULTS = Path(__file__).parent / "results" / "simulation.md"
DRAWS = 2000
LEVEL, POWER = 0.05, 0.80
Rng = np.random.Generator
Draw = Callable[[Rng, int], np.ndarray]


def lognormal(rng: Rng, n: int, sigma: float) -> np.ndarray:
    """Skewed to the right; a skewness of 1.7 at sigma 0.5 and 6.2 at sigma 1."""
    return np.exp(sigma * rng.standard_normal(n)) - np.exp(sigma**2 / 2)


# What values look like around their mean, which is 0 for all of them.
KINDS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "heavy tails (t, 3 df)": lambda rng, n: rng.standard_t(3, n),
    "skewed to the good (lognormal 0.5)": partial(lognormal, sigma=0.5),
    "skewed to the bad (lognormal 0.5)": lambda rng, n: -lognormal(rng, n, 0.5),
    "very skewed to the good (lognormal 1)": partial(lognormal, sigma=1.0),
    "very skewed to the bad (lognormal 1)": lambda rng, n: -lognormal(rng, n, 1.0),
    "ties (90 % exact zeros)": lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.standard_normal(n)),
    "rare losses (10 % lose ten margins)": lambda rng, n: np.where(rng.random(n) < 0.9, 1.0, -9.0),
    "rare gains (10 % gain ten margins)": lambda rng, n: np.where(rng.random(n) < 0.9, -1.0, 9.0),
}
RULE = Rule(metric="alignment", label="alignment", unit="", bound=-1.0, direction="higher", why="simulated")


@dataclass(frozen=True)
class Case:
    """One row: what is counted, on what, and on which side of `limit` the share must be."""

    question: str
    name: str
    limit: float
    hit: Callable[[Rng], bool]
    at_most: bool = True
    times: int = 1  # as many draws as other rows, where a draw costs little and shares lie near the limit


def share(case: Case, draws: int) -> float:
    """The share of hits; the same case and number of draws give the same share."""
    rng = np.random.Generator(np.random.Philox(zlib.crc32(f"{case.question}{case.name}".encode())))
    return sum(case.hit(rng) for _ in range(draws)) / draws


def monte_carlo(limit: float, draws: int) -> float:
    """Two standard errors of a share that is `limit`."""
    return float(2 * np.sqrt(limit * (1 - limit) / draws))


def kept(case: Case, found: float, draws: int) -> bool:
    """Whether a share is on the right side of its limit, within Monte Carlo error."""
    beyond = found - case.limit if case.at_most else case.limit - found
    return beyond <= monte_carlo(case.limit, draws)


def clustered(rng: Rng, units: int, variants: int = 3) -> tuple[np.ndarray, list[str]]:
    """Values of prompts with three variants each, which are mostly alike, and the unit of each."""
    common = np.repeat(rng.standard_normal(units), variants)
    values = common + 0.3 * rng.standard_normal(units * variants)
    return values, [str(k // variants) for k in range(units * variants)]


def flags_scores(broken: np.ndarray) -> Scores:
    """Scores (prompts, 1) of which only `broken` says something."""
    ones = np.ones((len(broken), 1))
    return Scores(psnr=ones, ssim=ones, distance=ones, alignment=ones, broken=broken[:, None])


# At the margin: a PASS is false.


def passes_at_margin(rng: Rng, draw: Draw, n: int) -> bool:
    return mean_check(RULE, RULE.bound + draw(rng, n)).outcome == "PASS"


def passes_clustered(rng: Rng, n: int) -> bool:
    values, units = clustered(rng, n)
    return mean_check(RULE, by_unit(RULE.bound + values, number_units(units))).outcome == "PASS"


def passes_broken(rng: Rng, n: int, rate: float) -> bool:
    whole = flags_scores(np.zeros(n, dtype=np.bool_))
    return broken_check(flags_scores(rng.random(n) < rate), whole).outcome == "PASS"


def passes_proportion(rng: Rng, n: int, lost: float, gained: float) -> bool:
    """Flags of two models that disagree on `lost` and `gained` of prompts; the bound is their difference."""
    which = rng.random(n)
    theirs = which < 0.5 + lost
    ours = (which < 0.5) | (which > 1 - gained)
    return decide(proportions_interval(ours, theirs), gained - lost, "higher") == "PASS"


def passes_slice(rng: Rng, draw: Draw) -> bool:
    """A slice of twelve units among 240, all of them at the margin."""
    mask = np.arange(240) % 20 == 7
    found = slice_outcomes(RULE.bound + draw(rng, 240), {"slice": mask}, RULE.bound)
    return found["slice"].outcome == "PASS"


# No change, at the size that was planned: a PASS is right.


def passes_planned(rng: Rng, draw: Draw, pilot: int) -> bool:
    size = planned_prompts(draw(rng, pilot), bound := -0.4, true=0.0)
    return mean_check(bounded(bound), draw(rng, size)).outcome == "PASS"


def passes_in_all(rng: Rng, slices: int) -> bool:
    """All slices pass together, each of as many as a pilot plans for it."""
    size = planned_prompts(rng.standard_normal(24), -0.6, power=power_of_each(slices))
    of = np.repeat(np.arange(slices), size)
    found = slice_outcomes(rng.standard_normal(len(of)), {str(k): of == k for k in range(slices)}, -0.6)
    return all(finding.outcome == "PASS" for finding in found.values())


def bounded(bound: float) -> Rule:
    return Rule(metric="alignment", label="alignment", unit="", bound=bound, direction="higher", why="")


# Twenty slices, none beyond its bound: an accusation is false.


def apart(rng: Rng, n: int, count: int = 20) -> dict[str, np.ndarray]:
    return {str(k): np.arange(n) % count == k for k in range(count)}


def overlapping(rng: Rng, n: int, count: int = 20, of: int = 3) -> dict[str, np.ndarray]:
    """Each unit lies in three of the twenty."""
    ranks = rng.random((n, count)).argsort(axis=1).argsort(axis=1)
    return {str(k): ranks[:, k] < of for k in range(count)}


def uneven(rng: Rng, n: int, count: int = 20) -> dict[str, np.ndarray]:
    """From two units to some forty."""
    edges = np.cumsum(np.linspace(0.2, 1.8, count) / count) * n
    return {str(k): np.searchsorted(edges, np.arange(n), side="right") == k for k in range(count)}


def accuses(rng: Rng, draw: Draw, slices: Callable[..., dict[str, np.ndarray]], n: int) -> bool:
    return min(accusations(RULE.bound + draw(rng, n), slices(rng, n), RULE.bound).values()) < LEVEL


def accuses_clustered(rng: Rng, slices: Callable[..., dict[str, np.ndarray]], n: int) -> bool:
    values, units = clustered(rng, n)
    masks = {name: np.repeat(mask, 3) for name, mask in slices(rng, n).items()}
    return min(accusations(RULE.bound + values, masks, RULE.bound, units=units).values()) < LEVEL


def accuses_the_bad_one(rng: Rng, n: int) -> bool:
    """One slice of twenty lies two spreads beyond the bound."""
    masks = apart(rng, n)
    values = RULE.bound + rng.standard_normal(n) - 2.0 * masks["7"]
    return accusations(values, masks, RULE.bound)["7"] < LEVEL


def text_features(rng: Rng, n: int, topics: int = 8, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Rows of norm 1 around one direction a topic, and each row's topic."""
    topic = rng.integers(0, topics, n)
    rows = np.eye(topics, d)[topic] + 0.15 * rng.standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), topic


def discovers(rng: Rng, loss: float) -> bool:
    """Whether any cluster is accused; the values of topic 0 lie `loss` beyond the bound."""
    features, topic = text_features(rng, 240)
    values = RULE.bound + rng.standard_normal(240) - loss * (topic == 0)
    findings = discovered(features, values, RULE.bound, seed=int(rng.integers(2**31))).findings
    return any(finding.outcome == "FAIL" for finding in findings.values())


def at_margin() -> list[Case]:
    """A PASS is false."""
    question = "false PASS at the margin"
    found = [
        Case(question, f"{kind}, {n} prompts", LEVEL, partial(passes_at_margin, draw=draw, n=n))
        for kind, draw in KINDS.items()
        for n in (24, 60)
    ]
    found.append(
        Case(question, "three variants a prompt, 60 prompts", LEVEL, partial(passes_clustered, n=60))
    )
    for n in (59, 300):
        name = f"5 % newly broken, {n} prompts"
        found.append(Case(question, name, LEVEL, partial(passes_broken, n=n, rate=0.05)))
    for lost, gained, n in ((0.05, 0.0, 60), (0.10, 0.05, 60), (0.10, 0.05, 200)):
        name = f"paired proportions, {lost:.0%} lost and {gained:.0%} gained, {n} prompts"
        hit = partial(passes_proportion, n=n, lost=lost, gained=gained)
        found.append(Case(question, name, LEVEL, hit, times=10))
    for kind, draw in KINDS.items():
        found.append(Case("false PASS of a slice of twelve", kind, LEVEL, partial(passes_slice, draw=draw)))
    return found


def at_planned_size() -> list[Case]:
    """No change, so a PASS is right."""
    question = "PASS of no change at the planned size"
    heavy: Draw = lambda rng, n: rng.standard_t(5, n) / np.sqrt(5 / 3)  # noqa: E731
    found = []
    for kind, draw in {"normal": KINDS["normal"], "heavy tails (t, 5 df)": heavy}.items():
        for pilot in (20, 200):
            hit = partial(passes_planned, draw=draw, pilot=pilot)
            found.append(Case(question, f"{kind}, pilot of {pilot}", POWER, hit, at_most=False))
    size = planned_rate_prompts(0.05, true=0.01)
    name, broken = f"1 % broken against 5 %, {size} prompts", partial(passes_broken, n=size, rate=0.01)
    found.append(Case(question, name, POWER, broken, at_most=False))
    name, five = "five slices together, pilot of 24", partial(passes_in_all, slices=5)
    return [*found, Case(question, name, POWER, five, at_most=False)]


def accused() -> list[Case]:
    """Of slices that are all on their bound an accusation is false; of one that is beyond it, right."""
    question = "one of twenty slices accused falsely"
    layouts = {"apart": (apart, 240), "overlapping": (overlapping, 120), "from 2 to 22 units": (uneven, 240)}
    found = [
        Case(question, f"{layout}, {kind}", LEVEL, partial(accuses, draw=draw, slices=slices, n=n))
        for layout, (slices, n) in layouts.items()
        for kind, draw in KINDS.items()
    ]
    clusters, bad = partial(accuses_clustered, slices=apart, n=240), partial(accuses_the_bad_one, n=240)
    noise, topic = partial(discovers, loss=0.0), partial(discovers, loss=2.0)
    return [
        *found,
        Case(question, "apart, three variants a prompt", LEVEL, clusters),
        Case("a discovered cluster accused falsely", "noise", LEVEL, noise),
        Case("a bad slice of twelve units accused", "two spreads beyond", POWER, bad, at_most=False),
        Case("a discovered cluster accused", "two spreads beyond", POWER, topic, at_most=False),
    ]


def cases() -> list[Case]:
    """Every row of the table."""
    return [*at_margin(), *at_planned_size(), *accused()]


def table(rows: list[Case], shares: list[float], draws: int) -> str:
    """Markdown, a line a row."""
    error, of_power = monte_carlo(LEVEL, draws), monte_carlo(POWER, draws)
    lines = [
        f"{draws:,} draws a row (paired proportions ten times as many); two Monte Carlo errors are "
        f"{error:.1%} at 5 % and {of_power:.1%} at 80 %.",
        "",
        "| question | values | share | must be | kept |",
        "|---|---|---|---|---|",
    ]
    for case, found in zip(rows, shares, strict=True):
        must = f"{'at most' if case.at_most else 'at least'} {case.limit:.0%}"
        answer = "yes" if kept(case, found, draws * case.times) else "no"
        lines.append(f"| {case.question} | {case.name} | {found:.1%} | {must} | {answer} |")
    return "\n".join(lines) + "\n"


def main(draws: int) -> None:
    """All rows on two processes, the table printed and written."""
    rows, shares = cases(), []
    with Pool(2) as pool:
        for found in pool.imap(partial(_row, draws=draws), range(len(rows))):
            shares.append(found)
            print(f"{len(shares)} of {len(rows)} rows", file=sys.stderr, flush=True)
    text = table(rows, shares, draws)
    RESULTS.write_text(text)
    print(text)


def _row(k: int, draws: int) -> float:
    """By its number, since what a row calls cannot be sent to another process."""
    case = cases()[k]
    return share(case, draws * case.times)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS)
