"""A peer's virtual environment: made from its pins, and remade when they change."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.table import Environment
from burnish.core.errors import BurnishError
from burnish.core.files import digest, write_text

PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+$")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")  # which not every peer would heed
MINUTES = 60  # that an installer may take


def pins(environment: Environment) -> list[str]:
    """Its requirements; raises BurnishError where a line is not one exact version."""
    lines = environment.requirements.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not PIN.match(line):
            raise BurnishError(f"{environment.requirements.name}: {line!r} pins no version")
    return lines


def make(environment: Environment, root: Path) -> Path:
    """Its Python, in `root`; raises BurnishError with the installer's last line.

    torch comes first and alone, from wherever pip is set up to take it, as in `make setup`; the rest is
    installed without asking what it depends on, because every dependency is pinned too.
    """
    folder = root / environment.name
    python, done = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = digest(environment.requirements)
    if python.is_file() and done.is_file() and done.read_text() == wanted:
        return python
    lines = pins(environment)
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(folder)])
    if not environment.own_torch:
        torch = [line for line in lines if line.startswith("torch==")]
        run([str(python), "-m", "pip", "install", "--quiet", *torch])
    uv = str(Path(sys.executable).with_name("uv"))
    install = ["pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    run([uv, *install, "-r", str(environment.requirements)])
    write_text(done, wanted)
    return python


def run(command: list[str]) -> None:
    """Runs an installer; raises BurnishError with what it said last."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False)
    except subprocess.TimeoutExpired:
        raise BurnishError(f"{Path(command[0]).name} took longer than {MINUTES} minutes") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise BurnishError(f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}")


def variables(kept: Path, home: Path) -> dict[str, str]:
    """What a peer's process finds around it: no hub, no telemetry, and caches of its row's own."""
    consent = home / "intel" / "openvino_telemetry"
    if not consent.is_file():
        write_text(consent, "0")
    free = {name: value for name, value in os.environ.items() if name not in THREADS}
    return free | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(kept / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(kept / "inductor"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PRUNA_METRICS_ENABLED": "0",
        "DO_NOT_TRACK": "1",
    }
