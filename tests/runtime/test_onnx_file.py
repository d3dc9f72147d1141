"""An ONNX file is read by hand before a library opens it: what could branch, read or leave is refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from burnish.runtime.onnx_file import MOST_BYTES, problem_of

Damage = Callable[[onnx.ModelProto], object]
INTS = onnx.TensorProto.INT64


def small() -> onnx.ModelProto:
    """A sum of x and w, the least that is a graph with a weight."""
    weight = numpy_helper.from_array(np.ones(3, dtype=np.float32), "w")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"], name="add")], "g", ends[:1], ends[1:], [weight]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def external(tensor: onnx.TensorProto, **entries: str) -> None:
    """Puts a weight's numbers elsewhere."""
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)


def with_node(kind: str, domain: str = "", **attributes: object) -> Damage:
    """Puts a node of some kind after the others."""
    return lambda m: m.graph.node.append(
        helper.make_node(kind, ["x"], ["z"], domain=domain, **attributes)  # type: ignore[arg-type]
    )


def hidden(model: onnx.ModelProto) -> None:
    """A constant whose numbers are said to lie in another file."""
    tensor = numpy_helper.from_array(np.ones(1, dtype=np.float32), "c")
    external(tensor, location="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def function(model: onnx.ModelProto) -> None:
    """A function of the model's own, which could stand for an operator that is known."""
    body = [helper.make_node("Neg", ["a"], ["b"])]
    imports = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("", "Add", ["a"], ["b"], body, imports))


BRANCH = helper.make_graph([], "then", [], [])
HOSTILE: dict[str, tuple[Damage, str]] = {
    "a path up": (lambda m: external(m.graph.initializer[0], location="../w.bin"), "lies in b'../w.bin'"),
    "an absolute path": (lambda m: external(m.graph.initializer[0], location="/etc/passwd"), "/etc/passwd"),
    "another file": (lambda m: external(m.graph.initializer[0], location="v.bin"), "not in w.bin"),
    "a constant elsewhere": (hidden, "/etc/passwd"),
    "beyond the file": (
        lambda m: external(m.graph.initializer[0], location="w.bin", offset="9000"),
        "offset is b'9000'",
    ),
    "before the file": (
        lambda m: external(m.graph.initializer[0], location="w.bin", offset="-4"),
        "offset is b'-4'",
    ),
    "a custom operator": (with_node("Add", domain="evil.ops"), "evil.ops"),
    "a custom import": (lambda m: m.opset_import.add(domain="evil.ops", version=1), "imports operators"),
    "a branch": (with_node("If", then_branch=BRANCH, else_branch=BRANCH), "'If' is not an operator"),
    "a branch in disguise": (with_node("Add", body=BRANCH), "field 6 of a attribute"),
    "a loop": (with_node("Loop"), "'Loop'"),
    "dice": (with_node("RandomNormalLike"), "'RandomNormalLike'"),
    "a pattern": (with_node("RegexFullMatch"), "'RegexFullMatch'"),
    "a function": (function, "field 25 of a model"),
    "training": (lambda m: m.training_info.add(), "field 20 of a model"),
    "an empty weight": (lambda m: m.graph.sparse_initializer.add(), "field 15 of a graph"),
    "a later opset": (lambda m: setattr(m.opset_import[0], "version", 99), "no version up to"),
}


def written(model: onnx.ModelProto, folder: Path) -> Path:
    """The file of a model, and eight bytes of weights beside it."""
    (folder / "w.bin").write_bytes(bytes(8))
    path = folder / "w.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_plain_graph_passes(tmp_path: Path) -> None:
    """Weights in the graph or in the file of its name are both read."""
    model = small()
    assert problem_of(written(model, tmp_path)) == ""
    external(model.graph.initializer[0], location="w.bin", offset="0", length="8")
    assert problem_of(written(model, tmp_path)) == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_do_more_than_compute_is_refused(name: str, tmp_path: Path) -> None:
    """Each is named by what is wrong with it, in one line."""
    damage, said = HOSTILE[name]
    model = small()
    damage(model)
    problem = problem_of(written(model, tmp_path))
    assert said in problem
    assert "\n" not in problem


def test_two_graphs_are_refused(tmp_path: Path) -> None:
    """Protocol buffers join a message that is given twice; what is checked must be what is run."""
    path = written(small(), tmp_path)
    path.write_bytes(2 * path.read_bytes())
    assert "2 graphs" in problem_of(path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    """The size is looked at before a byte is."""
    path = written(small(), tmp_path)
    os.truncate(path, MOST_BYTES + 1)
    assert "larger than" in problem_of(path)


@given(cut=st.integers(0, 160), noise=st.binary(max_size=40))
def test_no_bytes_break_the_reader(cut: int, noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a file holds, an answer comes and no exception; what is cut short never passes as whole."""
    whole = small().SerializeToString()
    path = tmp_path_factory.mktemp("noise") / "w.onnx"
    path.write_bytes(whole[:cut] + noise)
    problem = problem_of(path)
    assert isinstance(problem, str)
    if not noise and cut < len(whole) // 2:
        assert problem
