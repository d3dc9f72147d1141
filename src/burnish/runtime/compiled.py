"""Compiled graphs, kept on disk between processes and opened in place.

OpenVINO writes them (its CACHE_DIR) but reads them at a price: to find one it first reads the graph with all
its weights, and both copies then stay in memory. Here a kept graph has a folder named by what it was made of,
so it is mapped and imported without the graph; once the plugin has packed the weights, the pages go.
"""

from __future__ import annotations

import json
import mmap
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
import openvino as ov

from burnish.core.errors import BundleError
from burnish.core.files import cache_directory, digest, digest_text, directory_aside, make_room

Options = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]
DEVICE = "CPU"
MOST_BYTES = 8 << 30  # kept in all; the least recently used go first
GIVE_BACK_S = 0.01
# Whatever else lies there OpenVINO would hand to its readers of ONNX and other formats in turn.
BEGINNING = re.compile(rb'\s*(<\?xml[^>]*>)?\s*<net\s[^>]*version="\d+"')
HEADER_BYTES = 4096  # what is kept begins with a line of XML, then comes what the plugin exported


class Compiled(NamedTuple):
    """A compiled model, with the file it was opened in, which must stay mapped as long as it is used."""

    model: Any
    pages: mmap.mmap | None = None


def identity_of(path: Path) -> str:
    """What names the IR at `path`: the digests of its two files."""
    return f"{digest(path)} {digest(path.with_suffix('.bin'))}"


def compiled(core: ov.Core, path: Path, shapes: Shapes, options: Options, identity: str) -> Compiled:
    """The IR at `path`, compiled for these input shapes.

    `identity` is its `identity_of`. Where that is "" or nothing can be written, nothing is kept. Raises
    BundleError where the IR has to be read and is another: a bundle may be replaced while it is open.
    """
    folder = _folder(core, shapes, options, identity) if identity else None
    found = _kept(core, folder, options) if folder else None
    if found is not None:
        return found
    graph = _read(core, path, shapes, identity)
    if folder is not None:
        with suppress(OSError):
            with directory_aside(folder) as aside:
                model = core.compile_model(graph, DEVICE, {**options, "CACHE_DIR": str(aside)})
            make_room(folder.parent, MOST_BYTES)
            return Compiled(model)
    return Compiled(core.compile_model(graph, DEVICE, options))


def _read(core: ov.Core, path: Path, shapes: Shapes, identity: str) -> Any:
    """The graph at `path` with these input shapes; raises BundleError where it is none that takes them."""
    with path.open("rb") as file:
        if not BEGINNING.match(file.read(HEADER_BYTES)):
            raise BundleError(f"{path} is no graph of OpenVINO", "Build the bundle again")
    try:
        graph = core.read_model(path)
        if identity and identity_of(path) != identity:
            raise BundleError(f"{path} is not the file that its bundle names", "Open the bundle again")
        graph.reshape({name: list(shape) for name, shape in shapes.items()})
    except RuntimeError as error:  # in OpenVINO's words, which are many and name its sources
        raise BundleError(f"{path} is no graph for inputs of {shapes!s:.120}", "Build it again") from error
    return graph


def engine(core: ov.Core | None = None) -> list[object]:
    """What computes here: another processor or another release may round otherwise."""
    asked = core or ov.Core()
    machine = [asked.get_property(DEVICE, p) for p in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    return [*machine, ov.get_version()]


def _folder(core: ov.Core, shapes: Shapes, options: Options, identity: str) -> Path:
    """Named by everything that the compiled graph depends on."""
    whole = json.dumps([identity, shapes, options, engine(core)], sort_keys=True)
    return cache_directory() / "compiled" / digest_text(whole)[:24]


def _kept(core: ov.Core, folder: Path, options: Options) -> Compiled | None:
    """The graph that lies in `folder`; None where there is none, or none that this plugin reads."""
    for path in folder.glob("*.blob"):
        try:
            with path.open("rb") as file:
                pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            data = np.frombuffer(pages, dtype=np.uint8, offset=pages.find(b"\n", 0, HEADER_BYTES) + 1)
            with _giving_back(pages):
                model = core.import_model(ov.Tensor(data, ov.Shape([data.size]), ov.Type.u8), DEVICE, options)
            folder.touch()
        except (OSError, RuntimeError, ValueError):  # cut short, or of a version whose header differs
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return Compiled(model, pages)
    return None


@contextmanager
def _giving_back(pages: mmap.mmap) -> Iterator[None]:
    """Keeps a mapping's pages from staying in memory within it, and leaves none behind.

    The plugin packs each weight into memory of its own and never looks back; what it did look at again would
    be read from the file again.
    """
    done = Event()

    def give() -> None:
        while not done.wait(GIVE_BACK_S):
            pages.madvise(mmap.MADV_DONTNEED)

    giver = Thread(target=give, daemon=True)
    if hasattr(mmap, "MADV_DONTNEED"):
        giver.start()
    try:
        yield
    finally:
        done.set()
        if giver.ident is not None:
            giver.join()
            pages.madvise(mmap.MADV_DONTNEED)
