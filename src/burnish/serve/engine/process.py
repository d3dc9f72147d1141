"""A worker process, and the engine's end of the line to it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

from burnish.serve.engine.messages import Draw, Drawn, Failed, Stepped, Stop

Said = Stepped | Drawn | Failed


class WorkerDiedError(Exception):
    """The process ended, however it did."""


class WorkerProcess:
    """One worker. What it says is read by a thread and handed to the event loop that made it."""

    def __init__(self, most_mib: float, threads: int = 0) -> None:
        """Starts it; `threads` 0 leaves their number to the runtime."""
        ours, theirs = socket.socketpair()
        with theirs:
            asked = [str(theirs.fileno()), str(most_mib), str(threads)]
            self._process = subprocess.Popen(  # noqa: S603  # our own module, our own numbers
                [sys.executable, "-m", "burnish.serve.engine.worker", *asked],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._line = Connection(ours.detach())
        self._loop = asyncio.get_running_loop()
        self._said: asyncio.Queue[Said | None] = asyncio.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def send(self, message: Draw | Stop) -> None:
        """Raises WorkerDiedError where no one is there to hear it."""
        try:
            await asyncio.to_thread(self._line.send, message)
        except OSError:
            raise WorkerDiedError from None

    async def receive(self, limit_s: float) -> Said:
        """What it says next; raises WorkerDiedError where it died, or was killed for its silence."""
        try:
            said = await asyncio.wait_for(self._said.get(), limit_s)
        except TimeoutError:
            self.kill()
            raise WorkerDiedError from None
        if said is None:
            raise WorkerDiedError
        return said

    def kill(self) -> None:
        """Ends it at once, and lets go of what it held."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        while True:
            try:
                said = self._line.recv()
            except (EOFError, OSError):
                said = None
            try:
                self._loop.call_soon_threadsafe(self._said.put_nowait, said)
            except RuntimeError:  # the loop has ended, and no one listens any more
                return
            if said is None:
                self._line.close()
                return
