"""Damage to a bundle's graphs, as a faulty export or quantisation would leave it: edits of OpenVINO IR.

Each takes a graph and a strength, and changes the graph in place. They know no model's layer names.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from burnish.core.bundle import MANIFEST, Bundle, Role
from burnish.core.errors import SuiteError
from burnish.core.files import digest
from burnish.runtime.manifest import files_of

WEIGHTED = ("Convolution", "GroupConvolution", "MatMul")
SEED = 20
ACTIVATION_LEVELS = 7  # of each sign: a symmetric int4
Edit = Callable[[Any, float], None]


def zero_block(graph: Any, share: float) -> None:
    """Zeroes the weights of a run of layers in the middle of the graph: `share` of all, in (0, 1]."""
    layers = list(_weights(graph))
    count = max(1, round(share * len(layers)))
    first = (len(layers) - count) // 2
    for _, weight in layers[first : first + count]:
        _replace(weight, np.zeros_like(_value(weight)))


def noise_weights(graph: Any, share: float) -> None:
    """Adds Gaussian noise to every layer's weights, `share` of their standard deviation; seeded."""
    rng = np.random.Generator(np.random.Philox(SEED))
    for _, weight in list(_weights(graph)):
        value = _value(weight)
        noisy = value + share * value.std() * rng.standard_normal(value.shape)
        if np.issubdtype(value.dtype, np.integer):
            noisy = noisy.round().clip(*_limits(weight))
        _replace(weight, noisy.astype(value.dtype))


def int4_activations(graph: Any, share: float) -> None:
    """Rounds what enters `share` of the layers, spread evenly, to int4 with one scale a tensor."""
    layers = [layer for layer, _ in _weights(graph)]
    count = max(1, round(share * len(layers)))
    for k in np.linspace(0, len(layers) - 1, count).astype(int):
        entry = layers[k].input(0)
        entry.replace_source_output(_rounded(entry.get_source_output()))


def _rounded(x: Any) -> Any:
    axes = ops.range(np.int64(0), ops.squeeze(ops.shape_of(ops.shape_of(x)), [0]), np.int64(1), "i64")
    scale = ops.divide(ops.reduce_max(ops.absolute(x), axes, keep_dims=True), np.float32(ACTIVATION_LEVELS))
    scale = ops.maximum(scale, np.float32(1e-12))
    return ops.multiply(ops.round(ops.divide(x, scale)), scale).output(0)


def swap_tokens(graph: Any, share: float) -> None:
    """Gives `share` of the vocabulary each other's embeddings; seeded. Raises SuiteError without a table."""
    for op in graph.get_ordered_ops():
        table = _constant(op.input_value(0)) if op.get_type_name() == "Gather" else None
        if table is None or len(table.get_output_shape(0)) != 2:
            continue
        value = _value(table)
        rng = np.random.Generator(np.random.Philox(SEED))
        which = rng.permutation(len(value))[: max(2, round(share * len(value)))]
        swapped = value.copy()
        swapped[which] = value[np.roll(which, 1)]
        _replace(table, swapped)
        return
    raise SuiteError("the text encoder has no table of token embeddings")


def damaged(source: Path, target: Path, role: Role, edit: Edit, strength: float) -> None:
    """Writes to `target` the bundle in `source` with one graph edited, under its own digests.

    Raises BundleError where the bundle cannot be read, SuiteError where the edit does not apply, OSError.
    """
    bundle = Bundle.read(source / MANIFEST)
    found = next((g for g in bundle.graphs if g.role == role), None)
    if found is None:
        raise SuiteError(f"the bundle has no {role}")
    target.mkdir(parents=True)
    changed = files_of(found)
    for name in bundle.files.keys() - set(changed):
        _link(source / name, target / name)
    graph = ov.Core().read_model(source / found.file)
    edit(graph, strength)
    _name_by_place(graph)
    ov.save_model(graph, target / found.file, compress_to_fp16=False)
    digests = {name: digest(target / name) for name in changed}
    update = {"files": bundle.files | digests, "evidence": {}, "verdict": None, "measurement": None}
    bundle.model_copy(update=update).save(target / MANIFEST)


def _name_by_place(graph: Any) -> None:
    """OpenVINO numbers new operators by process; by place, the same damage is the same bundle again."""
    for k, op in enumerate(graph.get_ordered_ops()):
        if op.get_type_name() not in ("Parameter", "Result"):
            op.set_friendly_name(f"op_{k}")


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _weights(graph: Any) -> Iterator[tuple[Any, Any]]:
    """Every layer that multiplies by a constant, in order, with that constant."""
    for op in graph.get_ordered_ops():
        if op.get_type_name() in WEIGHTED:
            weight = _constant(op.input_value(1))
            if weight is not None:
                yield op, weight


def _constant(output: Any) -> Any:
    """The constant behind an input, through the conversions and scales of compressed weights; or None."""
    node = output.get_node()
    while node.get_type_name() in ("Convert", "Multiply", "Subtract", "Reshape", "Transpose", "FakeQuantize"):
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def _limits(constant: Any) -> tuple[int, int]:
    kind = constant.get_element_type()
    if kind == ov.Type.i4:
        return -8, 7
    found = np.iinfo(kind.to_dtype())
    return int(found.min), int(found.max)


def _value(constant: Any) -> np.ndarray:
    if constant.get_element_type() == ov.Type.i4:  # two numbers a byte, which numpy has no type for
        return constant.get_data(dtype=np.float32).astype(np.int8)
    return np.array(constant.data)


def _replace(constant: Any, value: np.ndarray) -> None:
    other = ops.constant(np.ascontiguousarray(value), dtype=constant.get_element_type())
    for reader in constant.output(0).get_target_inputs():
        reader.replace_source_output(other.output(0))
