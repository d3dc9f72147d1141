"""The worker: one process a device, which opens bundles and draws; it knows no job, no client and no queue.

python -m burnish.serve.engine.worker FD MOST_MIB THREADS
"""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict
from multiprocessing.connection import Connection
from pathlib import Path

from burnish.core.errors import BundleError, BurnishError
from burnish.runtime import Pipeline, Request
from burnish.runtime.png import png
from burnish.runtime.request import Pixels
from burnish.serve.engine.messages import Draw, Drawn, Failed, Stepped, Stop

QUICK = 1  # of zlib: a picture waits for no smaller file


class StoppedError(Exception):
    """No one waits for the batch any more."""


class Open:
    """Bundles that are open, the last used last; the first go when memory runs short."""

    def __init__(self, most_mib: float, threads: int) -> None:
        self._most_mib, self._threads = most_mib, threads
        self._pipelines: OrderedDict[Path, Pipeline] = OrderedDict()

    def pipeline(self, bundle: Path) -> Pipeline:
        """A bundle, opened where it is not; raises BundleError."""
        if bundle not in self._pipelines:
            while len(self._pipelines) > 1 and resident_mib() > self._most_mib:
                self._pipelines.popitem(last=False)
            self._pipelines[bundle] = Pipeline(bundle, threads=self._threads)
        self._pipelines.move_to_end(bundle)
        return self._pipelines[bundle]


def draw(asked: Draw, opened: Open, connection: Connection) -> Drawn:
    """Draws a batch, and says each step; raises BurnishError, StoppedError."""
    pipeline = opened.pipeline(asked.bundle)
    begun = time.perf_counter()
    request = Request(
        seeds=asked.seeds,
        prompts=asked.prompts,
        negative_prompt=asked.negative_prompt,
        height=asked.height,
        width=asked.width,
    )
    images: Pixels | None = None
    for step in pipeline.steps(request):
        images = step.images
        if images is not None:
            break
        require_waited_for(asked.number, connection)
        shown = tuple(png(picture, None, QUICK) for picture in step.preview()) if asked.previews else ()
        connection.send(Stepped(number=asked.number, step=step.index, steps=step.calls, previews=shown))
    if images is None:
        raise BundleError("the program made no picture", "Build the bundle again")
    texts = asked.texts or ({},) * len(images)
    pictures = tuple(png(picture, text, QUICK) for picture, text in zip(images, texts, strict=True))
    return Drawn(
        number=asked.number,
        pictures=pictures,
        seconds=time.perf_counter() - begun,
    )


def require_waited_for(number: int, connection: Connection) -> None:
    """Raises StoppedError where the engine said so; a word about an earlier batch came too late."""
    while connection.poll():
        match connection.recv():
            case Stop(number=named) if named == number:
                raise StoppedError


def resident_mib() -> float:
    """Memory of this process, where the system tells; else 0."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def serve(connection: Connection, opened: Open) -> None:
    """Draws one batch after another until the engine hangs up."""
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        if not isinstance(asked, Draw):
            continue  # to stop what is done already
        try:
            connection.send(draw(asked, opened, connection))
        except StoppedError:
            connection.send(Failed(number=asked.number, stopped=True))
        except BurnishError as error:
            connection.send(Failed(number=asked.number, message=str(error)))


def main() -> None:
    """Takes its end of the line from the command line."""
    # A bundle needs no converter, which imports much.
    sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]  # as the import system reads it
    descriptor, most_mib, threads = sys.argv[1:]
    with Connection(int(descriptor)) as connection:
        serve(connection, Open(float(most_mib), int(threads)))


if __name__ == "__main__":
    main()
