"""Serve releases over HTTP: what the verb does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.core.files import user_directory
from burnish.core.release import reference_of
from burnish.release.registry import Registry
from burnish.release.signing import trusted
from burnish.serve.engine.engine import Engine, Limits
from burnish.serve.shelf import Shelf

KEYS, FIRST = "keys.json", "default"
GRACE_S = 5  # for what still waits when the server is ended


def serve(
    releases: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    folder: Path | None = None,
    jobs: str | None = None,
    most_waiting: int = 512,
    most_batch: int = 16,
    trust: Sequence[Path] = (),
    registry: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Answers until it is interrupted. `say` is told the address, and the first key when it is made.

    Raises ReleaseError where a release is not there or does not verify, BurnishError.
    """
    import uvicorn

    from burnish.serve.http.app import application
    from burnish.serve.http.keys import Keys

    place = folder or user_directory("state") / "serve"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    meant = [reference_of(text) for text in releases]
    shelf = Shelf(Registry(registry), meant, trusted(trust))
    shelf.look()
    for reference in meant:
        shelf.find(str(reference))
    keys = Keys(place / KEYS)
    if not keys.keys:
        say(f"A key for your clients, shown this once: {keys.add(FIRST, 'admin')}")
    limits = Limits(most_waiting=most_waiting, most_batch=most_batch)
    url = jobs or f"sqlite:///{place / 'jobs.db'}"
    engine = Engine(url, place, shelf.bundle_of, limits)
    app = application(engine, shelf, keys, str(meant[0]))
    with _listening(host, port) as line:
        say(f"Serving {', '.join(map(str, meant))} at http://{host}:{line.getsockname()[1]}/v1")
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE_S)
        uvicorn.Server(config).run(sockets=[line])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that the port is known; raises BurnishError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise BurnishError(f"{host}:{port} cannot be listened on: {error.strerror}", "Give another") from None
