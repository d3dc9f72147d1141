"""Costs that are known: a sleep, a spin, an allocation."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from burnish.core.errors import BurnishError
from burnish.measure import cost
from burnish.measure.cost import measure_cost, measure_in_process


def spin(cpu_s: float) -> None:
    """Uses so many CPU-seconds of this thread."""
    end = time.thread_time() + cpu_s
    while time.thread_time() < end:
        pass


def test_a_sleep_takes_time_and_no_cpu() -> None:
    """Wall time is the sleep's, CPU time next to nothing; the warm-up is not counted."""
    sleeps = iter([0.3, 0.05, 0.05, 0.05])
    found = measure_cost(lambda: time.sleep(next(sleeps)), repeats=3, warmup=1)
    assert 0.05 <= found.latency_s < 0.25
    assert found.cpu_s < 0.03


def test_cpu_seconds_are_of_all_threads() -> None:
    """Two threads of 0.05 CPU-seconds each are 0.1."""

    def run() -> None:
        threads = [Thread(target=spin, args=(0.05,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert 0.09 <= measure_cost(run, repeats=1, warmup=0).cpu_s < 0.3


def test_no_repeat_is_refused() -> None:
    """A median needs a value."""
    with pytest.raises(ValueError, match="repeats"):
        measure_cost(lambda: None, repeats=0)


def test_peak_memory_is_what_was_held_at_most() -> None:
    """A process sees its peak rise by what it allocates and not fall again, as its parent sees it."""
    code = "p(); b = b'x' * (64 << 20); p(); del b; p()"
    setup = "from burnish.measure.cost import peak_mib\ndef p(): print(peak_mib())\n"
    source = str(Path(cost.__file__).parents[2])
    whole = measure_in_process([sys.executable, "-c", setup + code], env={"PYTHONPATH": source})
    before, held, after = map(float, whole.output.split())
    assert 60 <= held - before <= 70
    assert after >= held - 1  # the kernel counts in batches
    assert whole.peak_mib == pytest.approx(after, abs=4)


def test_a_processs_cost_is_its_own_and_not_its_parents() -> None:
    """A child that spins and allocates 96 MiB costs that, however much this process holds."""
    held = np.ones(300 * 2**17)
    code = f"import time\nb = b'x' * (96 << 20)\n{SPIN}\nprint('done')"
    found = measure_in_process([sys.executable, "-c", code])
    assert found.output == "done\n"
    assert 0.1 <= found.cpu_s < 1.0
    assert found.latency_s >= 0.1
    assert 96 <= found.peak_mib < 160 < held.nbytes / 2**20


SPIN = "end = time.process_time() + 0.1\nwhile time.process_time() < end: pass"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([sys.executable, "-c", "raise SystemExit('no model')"], "exited with 1. no model"),
        ([sys.executable, "-c", "import os; os.abort()"], "exited with -6"),
        (["/does/not/exist"], "No such file"),
    ],
)
def test_a_process_that_fails_says_why(argv: list[str], said: str) -> None:
    """Exit code, signal or missing program, and the end of standard error, are in the error."""
    with pytest.raises(BurnishError, match=said):
        measure_in_process(argv)


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for the process in /proc")
def test_a_process_that_takes_too_long_is_stopped_with_its_children(tmp_path: Path) -> None:
    """The limit ends the command itself, not only the launcher."""
    note = tmp_path / "pid"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(BurnishError, match="longer than 1 s"):
        measure_in_process([sys.executable, "-c", code], timeout_s=1.0)
    status = Path(f"/proc/{note.read_text()}/status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    os.kill(int(note.read_text()), 9)
    pytest.fail("the command outlived its limit")
