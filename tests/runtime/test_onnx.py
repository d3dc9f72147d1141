"""A bundle of ONNX Runtime is as static, as checked and as brief in its errors as one of OpenVINO."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from burnish.core.errors import BundleError
from burnish.core.files import digest
from burnish.runtime import Pipeline, Request
from tests.conftest import DDPM, SD, Bundles, asked
from tests.runtime import damage

HEAVY = ("torch", "diffusers", "transformers", "onnx", "onnxscript", "nncf", "scipy")


def resigned(directory: Path, name: str) -> None:
    """What somebody does who changes a file and its digest with it."""
    written = {name: digest(directory / name)}
    damage.edit(lambda data: data["files"].update(written))(directory)


def with_operator(directory: Path, kind: str, domain: str) -> None:
    """Makes the first node of the denoiser one of another kind, and signs the file."""
    path = directory / "denoiser.onnx"
    model = onnx.load(path, load_external_data=False)
    model.graph.node[0].op_type, model.graph.node[0].domain = kind, domain
    path.write_bytes(model.SerializeToString())
    resigned(directory, path.name)


@pytest.mark.parametrize(("kind", "domain"), [("Loop", ""), ("Add", "evil.ops")])
def test_a_hostile_graph_is_refused_before_it_is_opened(kind: str, domain: str, copied: Bundles) -> None:
    """A file whose digest fits is still not run where it holds what no capture holds."""
    directory = copied(DDPM, runtime="onnxruntime")
    with_operator(directory, kind, domain)
    with pytest.raises(BundleError, match="is refused"):
        Pipeline(directory).generate(asked(DDPM))


def test_a_graph_that_is_damaged_is_named_in_one_line(copied: Bundles) -> None:
    """What ONNX Runtime makes of a graph that does not fit together is one line with the file's name."""
    directory = copied(DDPM, runtime="onnxruntime")
    with_operator(directory, "Gemm", "")
    with pytest.raises(BundleError, match=r"denoiser\.onnx cannot be run") as caught:
        Pipeline(directory).generate(asked(DDPM))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_replaced_while_open_is_refused(copied: Bundles) -> None:
    """The graph that is run is the one whose digest the open bundle has."""
    directory = copied(DDPM, runtime="onnxruntime")
    pipeline = Pipeline(directory)
    weights = directory / "denoiser.bin"
    weights.unlink()  # the store and the bundle may share it
    weights.write_bytes(b"\0" * 10_000_000)
    with pytest.raises(BundleError, match="is not the file that its bundle names"):
        pipeline.generate(asked(DDPM))


def test_other_sizes_and_batches_have_sessions_of_their_own(bundle: Bundles) -> None:
    """A wider picture and two at once are drawn by sessions with static shapes; alone is as in a batch."""
    pipeline = Pipeline(bundle(SD, runtime="onnxruntime"), threads=1)
    wide = pipeline.generate(Request(seeds=(1,), prompts=("a red apple",), width=64, height=32))
    assert wide.shape == (1, 32, 64, 3)
    both = pipeline.generate(asked(SD, 7, 8))
    alone = pipeline.generate(asked(SD, 8))
    assert np.abs(both[1].astype(int) - alone[0]).max() <= 1
    graph = pipeline.graphs["denoiser"]
    ports = graph.prepare(*_shapes(pipeline, 2)).get_inputs()
    assert [tuple(port.shape) for port in ports] == _shapes(pipeline, 2)


def _shapes(pipeline: Pipeline, count: int) -> list[tuple[int, ...]]:
    """What the denoiser is given for so many pictures, in order."""
    known = {wire: shape for graph in pipeline.bundle.graphs for wire, shape in graph.outputs.items()}
    known["sample"] = pipeline.bundle.model.latent_shape
    return [(count, *known[name]) for name in pipeline.graphs["denoiser"].graph.inputs]


def test_nothing_that_exports_is_loaded(bundle: Bundles) -> None:
    """In a fresh process a picture is made without PyTorch and without the onnx package."""
    code = (
        "import sys\nfrom burnish.runtime import Pipeline, Request\n"
        "Pipeline(sys.argv[1]).generate(Request(seeds=(1,), prompts=('a',)))\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    argv = [sys.executable, "-c", code, str(bundle(SD, runtime="onnxruntime"))]
    child = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
    assert child.stderr == "[]\n"


def test_a_machine_without_onnx_runtime_says_what_to_install(
    bundle: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is named; nothing else of the bundle is opened."""
    directory = bundle(DDPM, runtime="onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BundleError, match=r"burnish\[onnx\]"):
        Pipeline(directory)
