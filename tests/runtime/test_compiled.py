"""Compiled graphs are kept between processes, and what is damaged is compiled anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from burnish.core.errors import BundleError
from burnish.runtime import compiled as module
from burnish.runtime.compiled import Compiled, compiled, identity_of

OPTIONS = {"INFERENCE_PRECISION_HINT": "f32"}
X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
WEIGHTS = np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where compiled graphs are kept in this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "burnish" / "compiled"


def write(path: Path, factor: float = 1.0) -> Path:
    """An IR of one matrix product, batch dynamic."""
    x = ops.parameter([-1, 4], dtype=np.float32, name="x")
    x.output(0).get_tensor().set_names({"x"})
    ov.save_model(ov.Model([ops.matmul(x, factor * WEIGHTS, False, False)], [x], "g"), path, False)
    return path


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """An IR of x @ WEIGHTS."""
    return write(tmp_path / "g.xml")


def opened(graph: Path, identity: str | None = None, **options: Any) -> Compiled:
    """The graph for a batch of two."""
    named = identity_of(graph) if identity is None else identity
    return compiled(ov.Core(), graph, {"x": (2, 4)}, OPTIONS | options, named)


def runs(found: Compiled) -> bool:
    """Whether it computes the product."""
    return np.allclose(found.model({"x": X})[0], X @ WEIGHTS, atol=1e-5)


def test_a_kept_graph_needs_its_ir_no_more(graph: Path, kept: Path) -> None:
    """The second time it is mapped from where it is kept, and computes the same without the IR."""
    identity = identity_of(graph)
    first = opened(graph)
    assert first.pages is None
    graph.unlink()
    second = opened(graph, identity)
    assert second.pages is not None
    assert runs(first)
    assert runs(second)


def test_another_process_finds_it(graph: Path, kept: Path) -> None:
    """What one process kept, another opens."""
    opened(graph)
    code = (
        "import sys; from pathlib import Path; import openvino as ov\n"
        "from burnish.runtime.compiled import compiled, identity_of\n"
        f"path = Path(sys.argv[1]); inputs = {{'x': (2, 4)}}\n"
        f"found = compiled(ov.Core(), path, inputs, {OPTIONS!r}, identity_of(path))\n"
        "print(found.pages is not None)"
    )
    argv = [sys.executable, "-c", code, str(graph)]
    child = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
    assert child.stdout == "True\n"


@pytest.mark.parametrize(
    ("factor", "options"),
    [(2.0, {}), (1.0, {"INFERENCE_PRECISION_HINT": "bf16"})],
    ids=["graph", "precision"],
)
def test_what_differs_is_kept_apart(
    graph: Path, kept: Path, factor: float, options: dict[str, str], tmp_path: Path
) -> None:
    """Another graph, or the same in another precision, is compiled for itself."""
    opened(graph)
    assert opened(write(tmp_path / "other.xml", factor), **options).pages is None
    assert len(list(kept.iterdir())) == 2


def test_nothing_is_kept_under_a_false_name(graph: Path, kept: Path, tmp_path: Path) -> None:
    """An IR that is not what it is called is refused before it is compiled."""
    with pytest.raises(BundleError, match="is not the file that its bundle names"):
        opened(graph, identity_of(write(tmp_path / "other.xml", 2.0)))
    assert not list(kept.rglob("*.blob"))


@pytest.mark.parametrize("left", [0, 1, 200, 0.5, 0.9])
def test_a_damaged_one_is_compiled_anew(graph: Path, kept: Path, left: float) -> None:
    """However much of the file is left, the graph runs, and is whole again for the next."""
    opened(graph)
    (blob,) = kept.glob("*/*.blob")
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(data[: int(left * len(data)) if isinstance(left, float) else left])
    assert runs(opened(graph))
    again = opened(graph)
    assert again.pages is not None
    assert runs(again)


def test_without_an_identity_nothing_is_kept(graph: Path, kept: Path) -> None:
    """A graph that nobody names is compiled each time."""
    assert runs(opened(graph, ""))
    assert not kept.exists()


def test_a_file_in_the_way_of_the_cache_is_survived(graph: Path, kept: Path) -> None:
    """Where the cache's folder cannot be made, nothing is kept and the graph runs."""
    kept.parent.mkdir(parents=True)
    kept.write_text("in the way")
    assert runs(opened(graph))
    assert kept.read_text() == "in the way"


def test_the_least_recently_used_goes_first(
    graph: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept stays within its bound; what was used last stays."""
    graphs = [write(tmp_path / f"{k}.xml", 2.0 + k) for k in range(3)]
    for age, path in enumerate(graphs):
        opened(path)
        made = max(kept.iterdir(), key=lambda f: f.stat().st_ctime_ns)
        os.utime(made, (1e9 - age, 1e9 - age))
    size = sum(p.stat().st_size for p in made.iterdir())
    monkeypatch.setattr(module, "MOST_BYTES", int(2.5 * size))
    oldest = made
    opened(graph)
    assert not oldest.exists()
    assert len(list(kept.iterdir())) == 2
    shutil.rmtree(kept)
