"""What a verdict costs: `burnish.gate` as a whole process, 200 prompts with two seeds, every control in it.

    python -m benchmarks.gate [--original]

The candidate is the icons model in 8 DDIM calls and bf16, judged against 12 calls as a change is against what
runs today, and with --original against the 50-call fp32 original too. The cache is empty the first time; the
second time it holds what the first drew. 60 prompts beside 200 show what memory does. Takes ten minutes, with
--original half an hour.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.ratios import publish
from burnish.api import build
from burnish.core.evidence import Verdict
from burnish.core.plan import Plan
from burnish.core.suites import find_suite, read_suite
from burnish.measure.cost import measure_in_process

CANDIDATE = Plan(
    scheduler="DDIMScheduler", num_inference_steps=8, guidance_interval=(0.0, 0.75), precision="bf16"
)
TODAY = Plan(scheduler="DDIMScheduler", num_inference_steps=12, precision="bf16")
FEW = 60
# The verb in Python: a FAIL is no failure of the process.
GATE = """
import sys, burnish
from pathlib import Path
from burnish.core.suites import read_suite
bundle, against, suite, folder = sys.argv[1:]
burnish.gate(Path(bundle), against, suite=read_suite(Path(suite)), directory=Path(folder))
"""


def judged(folder: Path, against: str, suite: Path, name: str) -> dict[str, object]:
    """One gate in a process of its own."""
    argv = [sys.executable, "-c", GATE, str(folder / "candidate"), against, str(suite), str(folder / "gate")]
    whole = measure_in_process(argv, env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")})
    found = Verdict.read(folder / "gate" / "verdict.json")
    return {
        "gate": name,
        "prompts": found.prompts,
        "seconds": whole.latency_s,
        "CPU-seconds": whole.cpu_s,
        "peak MiB": whole.peak_mib,
        "outcome": found.outcome,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--original", action="store_true")
    original = parser.parse_args().original
    rows = []
    with TemporaryDirectory() as place:
        folder = Path(place)
        build("icons", CANDIDATE, folder / "candidate")
        build("icons", TODAY, folder / "today")
        whole = find_suite("trained")
        few = read_suite(whole)
        few = few.model_copy(update={"confirmation": few.confirmation[::3][:FEW], "name": "few"})
        few.save(folder / "few.json")
        today = str(folder / "today")
        rows.append(judged(folder, today, whole, "against 12 calls, first time"))
        rows.append(judged(folder, today, whole, "against 12 calls, again"))
        rows.append(judged(folder, today, folder / "few.json", "against 12 calls, first time"))
        if original:
            rows.append(judged(folder, "icons", whole, "against the original, first time"))
            rows.append(judged(folder, "icons", whole, "against the original, again"))
    publish("gate", rows, ())


if __name__ == "__main__":
    main()
