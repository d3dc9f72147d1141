"""A report as a search writes one: pictures drawn here, twenty slices, and every section filled."""

from __future__ import annotations

import numpy as np

from burnish.core.evidence import Check, Interval, Measurement, Verdict
from burnish.core.plan import Plan
from burnish.report.data import Candidate, ReportData, Row, Side
from burnish.report.picture import Picture

SIZE = 64
NAMES = (
    *("bell", "round pushpin", "red apple", "house with garden", "umbrella with rain drops", "sailboat"),
    *("snow-capped mountain", "woman scientist: medium-dark skin tone", "open book", "two hearts", "kite"),
    *("alarm clock", "hot beverage", "traffic light", "left arrow curving right", "lobster", "drum"),
    *("flag in hole", "crayon", "teapot"),
)


def picture(number: int, changed: float = 0.0, size: int = SIZE) -> Picture:
    """A disc on a tinted ground, uint8 (size, size, 3); `changed` moves its edge by so many pixels."""
    rng = np.random.default_rng(number)
    ground, disc = rng.integers(120, 256, 3), rng.integers(0, 160, 3)
    y, x = np.mgrid[:size, :size] / size
    centre = rng.uniform(0.35, 0.65, 2)
    radius = rng.uniform(0.2, 0.35) + changed / size
    edge = np.clip((radius - np.hypot(y - centre[0], x - centre[1])) * size, 0, 1)[..., None]
    return np.asarray(ground + edge * (disc - ground), dtype=np.uint8)


def check(metric: str, mean: float, half: float, outcome: str, **change: object) -> Check:
    """A check in points whose interval reaches `half` to either side."""
    values: dict[str, object] = {
        "metric": metric,
        "unit": "points",
        "interval": Interval(mean=mean, low=mean - half, high=mean + half, n=300),
        "bound": -1.81,
        "direction": "higher",
        "why": "the mean loss may be at most 0.25 of the 7.25 points by which the reference's own pictures "
        "of one prompt differ from seed to seed",
        "outcome": outcome,
    }
    return Check(**(values | change))


def slices() -> tuple[Check, ...]:
    """Twenty slices, small ones wide: two fail, three are unclear; and one counted in shares."""
    means = np.linspace(-6.5, 1.5, 20)
    found = []
    for k, (name, mean) in enumerate(zip(NAMES, means, strict=True)):
        half = 1.0 + (k % 4) * 0.6 if k else 3.0
        low, high = mean - half + 1.81, mean + half + 1.81
        outcome = "PASS" if low >= 0 else "FAIL" if high < 0 else "INCONCLUSIVE"
        needed = 240 if outcome == "INCONCLUSIVE" else 0
        n = 24 + 7 * (k % 5)
        at = Interval(mean=mean, low=mean - half, high=mean + half, n=n)
        found.append(check(f"object: {name}", mean, half, outcome, prompts_to_decide=needed, interval=at))
    share = Interval(mean=0.02, low=0.004, high=0.06, n=88)
    rare = {"unit": "share", "direction": "lower", "bound": 0.1, "interval": share}
    return (*found, check("newly broken, long prompts", 0, 0, "PASS", **rare))


def verdict() -> Verdict:
    """It fails for two of its slices; one alarm is raised."""
    share = {"unit": "share", "direction": "lower", "bound": 0.05, "why": "rare disasters hide in means"}
    broken = Interval(mean=0.0033, low=0.0002, high=0.0157, n=300)
    rate = Interval(mean=0.11, low=0.07, high=0.15, n=120)
    some = Interval(mean=0.03, low=0.01, high=0.07, n=120)
    return Verdict(
        floor="equivalent",
        outcome="FAIL",
        checks=(
            check("alignment difference", -0.42, 0.61, "PASS", tolerated=-3.62),
            check("newly broken prompts", 0, 0, "PASS", interval=broken, **share),
        ),
        slices=slices(),
        watched=(
            check("skin tone told otherwise", 0, 0, "FAIL", interval=rate, **share),
            check("text told otherwise", 0, 0, "INCONCLUSIVE", interval=some, **share),
            check("near copies of training pictures", 0.1, 0.2, "PASS"),
        ),
        controls=(
            check("the reference against itself: alignment", 0.0, 0.2, "PASS", why="must PASS, and does"),
            check("pictures of another prompt: alignment", -48.0, 3.0, "FAIL", why="must FAIL, and does"),
            check("a step left out: alignment", -1.0, 2.0, "INCONCLUSIVE", why="must FAIL, but is not seen"),
        ),
        advisory={"PSNR": 31.25, "SSIM": 0.971, "Vendi score": 84.2, "KID": 0.0003},
        prompts=300,
        seeds=2,
    )


def report(size: int = SIZE) -> ReportData:
    """Twelve pairs, twenty worst ones, candidates and an estimated energy."""
    energy = "estimated: processor seconds times 15 W a core"
    before = Measurement(
        bundle="a",
        batch=4,
        calls=50,
        passes=100,
        latency_s=6.02,
        cpu_s=11.9,
        peak_mib=1431,
        cold_start_s=9.1,
        energy_j=178,
        energy_from=energy,
    )
    after = before.model_copy(
        update={"calls": 12, "passes": 19, "latency_s": 0.61, "cpu_s": 1.1, "peak_mib": 402, "energy_j": 16.5}
    )
    rows = [Row(name, picture(k, 0, size), picture(k, 2, size)) for k, name in enumerate(NAMES[:12])]
    worst = [
        Row(name, picture(k, 0, size), picture(k + 50, 0, size), f"alignment −{38.4 - 1.3 * k:.1f} points")
        for k, name in enumerate(NAMES)
    ]
    plan = Plan(scheduler="UniPCMultistepScheduler", num_inference_steps=12, precision="int8")
    return ReportData(
        title="icons, optimized for a two-core machine",
        original=Side(name="original, diffusers on PyTorch", plan=Plan(), measurement=before),
        optimized=Side(name="optimized", plan=plan, measurement=after),
        verdict=verdict(),
        rows=rows,
        worst=worst,
        candidates=[
            Candidate("UniPC 8 steps, guidance 7.5, int8", 16, 0.52, "selection: FAIL"),
            Candidate(plan.describe(), 19, 0.61, "confirmation: FAIL"),
            Candidate(
                "own scheduler 5 steps, guidance 7.5, fp32", 10, 0.6, "fewer calls at the same cost: FAIL"
            ),
        ],
        method=(
            "Both models drew the same prompts with the same seeds; a prompt is one observation.",
            "A check passes where the worse end of its one-sided 95 % interval is within the margin.",
        ),
        provenance={"machine": "two cores", "model": f"icons, sha256 {'3f' * 32}"},
    )
