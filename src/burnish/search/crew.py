"""A crew of Ray workers: tasks run side by side on one machine or a cluster, and say what one process says.

A worker is given the bundle itself, by content, so that machines need no disk in common. A task whose worker
dies is run again elsewhere.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from burnish.core.bundle import MANIFEST
from burnish.core.errors import BurnishError
from burnish.core.program import Program
from burnish.runtime import Pipeline, Request
from burnish.search.proxy import Crew, Latents, Task, error_of

LOCAL = "local"
CONNECT_S = 10.0
RETRIES = 5  # of a task whose worker died
WORKER: dict[str, Any] = {"num_cpus": 1, "max_retries": RETRIES}


def ray_crew(address: str = LOCAL) -> Crew:
    """Workers of the cluster at `address`, or of this machine; raises BurnishError where there is no Ray."""
    try:
        import ray
    except ImportError:
        raise BurnishError("Ray is not installed", "pip install 'burnish[ray]'") from None
    if not ray.is_initialized():
        try:
            _require_listener(address)
            ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            raise BurnishError(
                f"no Ray at {address}: {error!s:.200}", "Give --ray local, or a cluster's address"
            ) from None
    remote = ray.remote(**WORKER)(_error_of)
    sent: dict[Path, Any] = {}

    def crew(tasks: Sequence[Task]) -> list[float]:
        for task in tasks:
            directory = task.bench.directory
            if directory not in sent:
                sent[directory] = ray.put(_packed(directory))
        asked = [
            remote.remote(sent[t.bench.directory], t.program.model_dump_json(), t.request, t.end)
            for t in tasks
        ]
        found: list[float] = ray.get(asked)
        return found

    return crew


def _require_listener(address: str) -> None:
    """Ray itself tries for minutes where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()


def _packed(directory: Path) -> dict[str, bytes]:
    """The files of a bundle that its manifest names, and the manifest."""
    names = [*json.loads((directory / MANIFEST).read_text())["files"], MANIFEST]
    return {name: (directory / name).read_bytes() for name in names}


_OPEN: dict[str, tuple[TemporaryDirectory[str], Pipeline]] = {}  # of a worker: the benches that it was given


def _error_of(files: Mapping[str, bytes], program: str, request: Request, end: Latents) -> float:
    """As `error_of`, in a worker."""
    bench = _bench(files)
    # Ray's arrays are read-only views of its store.
    return error_of(Task(bench, Program.model_validate_json(program), request, np.array(end)))


def _bench(files: Mapping[str, bytes]) -> Pipeline:
    from burnish.core.files import digest_text

    key = digest_text(files[MANIFEST].decode())
    if key not in _OPEN:
        folder = TemporaryDirectory()
        for name, content in files.items():
            path = Path(folder.name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        _OPEN[key] = folder, Pipeline(folder.name, threads=1)
    return _OPEN[key][1]
