"""What a run costs: wall seconds, CPU-seconds of all threads, peak memory, joules. Linux and macOS."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from burnish.core.errors import BurnishError
from burnish.measure.energy import Energy, Meter, estimate
from burnish.measure.launch import TO_MIB

LAUNCHER = Path(__file__).with_name("launch.py")
STOCK = Path(__file__).with_name("stock.py")
STATUS = Path("/proc/self/status")


class Cost(NamedTuple):
    """Medians of one call: wall seconds, CPU-seconds of every thread of this process, and joules."""

    latency_s: float
    cpu_s: float
    energy_j: float
    energy_from: str


class ProcessCost(NamedTuple):
    """One whole process, its start included; `output` is what it wrote to standard output."""

    latency_s: float
    cpu_s: float
    peak_mib: float
    output: str


def measure_cost(
    run: Callable[[], object], repeats: int = 5, warmup: int = 1, meter: Meter | None = None
) -> Cost:
    """Calls `run` `warmup` times unmeasured, then `repeats` times; medians, so one hiccup does not count.

    Joules are `meter`'s, and an estimate from CPU-seconds where there is none or it cannot be read any more.
    Raises ValueError with no repeat, and BurnishError as `estimate` does.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, not 1 or more")
    for _ in range(warmup):
        run()
    walls, cpus, joules = [], [], []
    for _ in range(repeats):
        before = meter.read() if meter else None
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        joules.append(meter.joules(before, meter.read()) if meter else None)
    cpu_s = statistics.median(cpus)
    counted = [j for j in joules if j is not None]
    if meter and len(counted) == repeats:
        energy = Energy(statistics.median(counted), meter.energy_from)
    else:
        energy = estimate(cpu_s)
    return Cost(statistics.median(walls), cpu_s, *energy)


def peak_mib() -> float:
    """Peak resident memory of this process so far, MiB: VmHWM on Linux, ru_maxrss elsewhere.

    It never falls, so measure one thing a process: `measure_in_process`.
    """
    if STATUS.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 1024
    import resource  # absent on Windows, where nothing above it needs it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * TO_MIB


def measure_in_process(
    argv: Sequence[str], timeout_s: float = 3600.0, env: Mapping[str, str] | None = None
) -> ProcessCost:
    """Runs a command in a fresh process and says what the whole of it cost.

    `peak_mib` is its own, whatever this process holds (see `launch`); a floor of some 10 MiB remains. Raises
    BurnishError, with the last line that it wrote to standard error, where it does not start or does not exit
    with 0, and where it takes longer than `timeout_s`.
    """
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", str(LAUNCHER), str(writer), *argv]
    try:
        output, errors = _run(command, timeout_s, env, writer)
    except subprocess.TimeoutExpired:
        raise BurnishError(f"{argv[0]} took longer than {timeout_s:g} s") from None
    finally:
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
    result: dict[str, Any] = json.loads(answer) if answer else {"error": "it was stopped"}
    problem = result.get("error") or (result["status"] and f"it exited with {result['status']}")
    if problem:
        said = [line.strip() for line in errors.splitlines() if line.strip()]
        raise BurnishError(f"{argv[0]} did not run: {problem}", said[-1][:500] if said else "")
    return ProcessCost(result["latency_s"], result["cpu_s"], result["peak_mib"], output)


def measure_cold(bundle: Path, batch: int = 1, *, first: bool = False) -> ProcessCost:
    """A fresh process that opens a bundle, makes `batch` pictures and ends; raises BurnishError."""
    argv = [sys.executable, "-m", "burnish.runtime", str(bundle), str(batch)]
    return measure_first(argv) if first else measure_in_process(argv)


def measure_first(argv: Sequence[str]) -> ProcessCost:
    """A fresh process that finds nothing kept, as the first on a machine does; raises BurnishError."""
    with TemporaryDirectory() as empty:
        return measure_in_process(argv, env=os.environ | {"XDG_CACHE_HOME": empty})


def _run(command: list[str], timeout_s: float, env: Mapping[str, str] | None, writer: int) -> tuple[str, str]:
    """Standard output and error; a session of its own, so that stopping it stops its children too."""
    with subprocess.Popen(  # noqa: S603 - the caller's command, no shell
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        pass_fds=(writer,),
        start_new_session=True,
    ) as process:
        try:
            return process.communicate(timeout=timeout_s)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
