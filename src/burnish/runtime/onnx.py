"""Graphs of a bundle in ONNX Runtime: the portable second, where OpenVINO is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from burnish.core.bundle import Bundle, Graph, Role
from burnish.core.errors import BundleError
from burnish.core.files import digest
from burnish.runtime.engines import EngineGraph, Shape
from burnish.runtime.manifest import inside
from burnish.runtime.onnx_file import WEIGHTS, problem_of

FATAL = 4  # the severity below which ONNX Runtime prints nothing: what is wrong comes as an exception


def open_graphs(directory: Path, bundle: Bundle, *, threads: int = 0) -> dict[Role, OnnxGraph]:
    """The graphs of a bundle by role. Raises BundleError where ONNX Runtime is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise BundleError(f"{directory} needs ONNX Runtime", "pip install 'burnish[onnx]'") from None
    onnxruntime.disable_telemetry_events()
    found: dict[Role, OnnxGraph] = {}
    for graph in bundle.graphs:
        path = inside(directory, graph.file)
        names = (graph.file, path.with_suffix(WEIGHTS).name)
        identity = " ".join(bundle.files.get(name, "") for name in names)
        found[graph.role] = OnnxGraph(path, graph, identity=identity, threads=threads)
    return found


def session(path: Path, shapes: Mapping[str, Shape] | None = None, threads: int = 0) -> Any:
    """An inference session of the file at `path`, which is not checked here; raises what ONNX Runtime does.

    With the `shapes` of its inputs these are static. `threads` 0 is one a core.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = FATAL
    for name, shape in (shapes or {}).items():
        options.add_free_dimension_override_by_name("batch", shape[0])
        for axis, size in enumerate(shape):
            options.add_free_dimension_override_by_name(f"{name}.{axis}", size)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class OnnxGraph(EngineGraph):
    """One graph of a bundle. Shapes are static: each new set of input shapes has a session, which is kept."""

    def __init__(self, path: Path, graph: Graph, *, identity: str = "", threads: int = 0) -> None:
        """`identity` is the digests of graph and weights, with a space between; "" leaves them unchecked."""
        super().__init__(graph, f"{graph.role} of {path.parent}")
        self._path, self._identity, self._threads = path, identity, threads
        self._sessions: dict[tuple[Shape, ...], Any] = {}

    def prepare(self, *shapes: Shape) -> Any:
        """The session for these input shapes, in order; made now where it is not there yet.

        Raises BundleError where it cannot be, and where the file holds what is not run.
        """
        if shapes not in self._sessions:
            named = dict(zip(self.graph.inputs, shapes, strict=True))
            self._require_safe()
            with self._said():
                made = session(self._path, named, self._threads)
            self._require_known()
            self._sessions[shapes] = made
        return self._sessions[shapes]

    def computed(self, arrays: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
        """The outputs in order of the inputs in order; raises BundleError as `prepare`, or on a failure."""
        opened = self.prepare(*(array.shape for array in arrays))
        with self._said():
            found: Sequence[NDArray[Any]] = opened.run(
                list(self.graph.outputs), dict(zip(self.graph.inputs, arrays, strict=True))
            )
        return found

    def _require_safe(self) -> None:
        try:
            problem = problem_of(self._path)
        except OSError as error:
            raise BundleError(f"{self._path} cannot be read: {error.strerror}", "Build it again") from None
        if problem:
            raise BundleError(f"{self._path} is refused: {problem}", "Do not use this bundle")

    def _require_known(self) -> None:
        """Raises BundleError where the files are others: a bundle may be replaced while it is open."""
        files = (self._path, self._path.with_suffix(WEIGHTS))
        if self._identity and " ".join(map(digest, files)) != self._identity:
            raise BundleError(f"{self._path} is not the file that its bundle names", "Open the bundle again")

    @contextmanager
    def _said(self) -> Iterator[None]:
        """ONNX Runtime's errors share no class but Exception; here one says which file."""
        try:
            yield
        except Exception as error:
            raise BundleError(f"{self._path} cannot be run on its inputs", "Build it again") from error
