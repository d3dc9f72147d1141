"""Runs a command from a small process and prints its cost as JSON: `python -IS launch.py FD command...`.

Linux counts into a program's peak memory what its process held before it became that program, so a child of
a process that holds a model looks as large as its parent. This one holds some 10 MiB, and its children start
from there. It imports nothing of ours, so that it stays small. The result is written to file descriptor FD.
"""

from __future__ import annotations

import json
import os
import sys
import time

STARTED = "BURNISH_STARTED"  # tells the command when it was started, in seconds since the epoch
TO_MIB = 2**-20 if sys.platform == "darwin" else 2**-10  # ru_maxrss is bytes there, KiB elsewhere


def main() -> None:
    """Runs sys.argv[2:] and writes status, wall and CPU seconds and peak memory to descriptor sys.argv[1]."""
    answer, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(answer, False)
    os.environ[STARTED] = str(time.time())
    start = time.perf_counter()
    try:
        child = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        result: dict[str, object] = {"error": str(error)}
    else:
        _, status, usage = os.wait4(child, 0)
        result = {
            "status": os.waitstatus_to_exitcode(status),
            "latency_s": time.perf_counter() - start,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_mib": usage.ru_maxrss * TO_MIB,
        }
    os.write(answer, json.dumps(result).encode())


if __name__ == "__main__":
    main()
