"""What an ONNX file may hold, read by hand before any library opens it.

Protocol buffers are pairs of a number and a value, one within another; of onnx.proto
(github.com/onnx/onnx, Apache-2.0) the numbers below are all that is needed. What is not on these lists is
refused: subgraphs, functions, other domains, and operators that branch, draw, or read or write elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

WEIGHTS = ".bin"  # beside the graph, of the same name
MOST_BYTES = 32 << 20  # of a graph without its weights; those of 12 billion parameters have under 8 MiB
NEWEST_OPSET = 22
DOMAINS = (b"", b"ai.onnx")
OPERATORS = frozenset(
    b"Abs Add And ArgMax AveragePool BatchNormalization Cast CastLike Ceil Clip Concat Constant "
    b"ConstantOfShape Conv ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Einsum Equal Erf Exp "
    b"Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool Greater GreaterOrEqual "
    b"GroupNormalization Identity InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log "
    b"MatMul Max MaxPool Min Mod Mul Neg Not Or Pad Pow QuantizeLinear Range Reciprocal ReduceMax ReduceMean "
    b"ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round ScatterND Shape Sigmoid Sign Sin Size Slice "
    b"Softmax SpaceToDepth Split Sqrt Squeeze Sub Tanh Tile Transpose Trilu Unsqueeze Where".split()
)
Field = tuple[int, int | memoryview]  # its number, and a varint or bytes

# Fields of each message that are read; those of `PLAIN` hold nothing that is run.
_MODEL = {"graph": 7, "opset": 8}
_GRAPH = {"node": 1, "initializer": 5}
_NODE = {"op_type": 4, "attribute": 5, "domain": 7}
_ATTRIBUTE = {"tensor": 5, "tensors": 10}
_EXTERNAL, _OPSET_DOMAIN, _OPSET_VERSION = 13, 1, 2
PLAIN = {
    "model": {1, 2, 3, 4, 5, 6, 14},
    "graph": {2, 10, 11, 12, 13, 14, 16},
    "node": {1, 2, 3, 6, 9},
    "attribute": {1, 2, 3, 4, 7, 8, 9, 13, 20},
    "tensor": {1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 14},
}


class _NotOnnxError(ValueError):
    """What is wrong with the file."""


def problem_of(path: Path) -> str:
    """Why the ONNX file at `path` is not to be opened, in a few words; "" where it may be.

    Its weights lie in it or in the file of its name that ends in .bin. Raises OSError.
    """
    if path.stat().st_size > MOST_BYTES:
        return f"it is larger than {MOST_BYTES >> 20} MiB without its weights"
    try:
        _check_model(memoryview(path.read_bytes()), path.with_suffix(WEIGHTS))
    except _NotOnnxError as problem:
        return str(problem)
    return ""


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for k in range(10):
        if place + k >= len(data):
            break
        byte = data[place + k]
        value |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return value, place + k + 1
    raise _NotOnnxError("it is no protocol buffer")


def _fields(data: memoryview) -> Iterator[Field]:
    """Every field of a message, in order; fixed numbers as their bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        match key & 7:
            case 0:
                value, place = _varint(data, place)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, place = _varint(data, place)
            case 5:
                size = 4
            case _:
                raise _NotOnnxError("it is no protocol buffer")
        if size > len(data) - place:
            raise _NotOnnxError("it is cut short")
        yield key >> 3, data[place : place + size]
        place += size


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise _NotOnnxError("it is no protocol buffer")
    return value


def _refuse(message: str, number: int) -> None:
    if number not in PLAIN[message]:
        raise _NotOnnxError(f"field {number} of a {message} is not one that is read")


def _check_model(data: memoryview, weights: Path) -> None:
    graphs = 0
    for number, value in _fields(data):
        if number == _MODEL["graph"]:
            graphs += 1
            _check_graph(_message(value), weights)
        elif number == _MODEL["opset"]:
            _check_opset(_message(value))
        else:
            _refuse("model", number)
    if graphs != 1:
        raise _NotOnnxError(f"it holds {graphs} graphs, not one")


def _check_opset(data: memoryview) -> None:
    found = dict(_fields(data))
    domain, version = found.get(_OPSET_DOMAIN, memoryview(b"")), found.get(_OPSET_VERSION, 0)
    if _message(domain).tobytes() not in DOMAINS:
        raise _NotOnnxError(f"it imports operators of {_said(domain)}")
    if not isinstance(version, int) or not 1 <= version <= NEWEST_OPSET:
        raise _NotOnnxError(f"its operators are of no version up to {NEWEST_OPSET}")


def _check_graph(data: memoryview, weights: Path) -> None:
    for number, value in _fields(data):
        if number == _GRAPH["node"]:
            _check_node(_message(value), weights)
        elif number == _GRAPH["initializer"]:
            _check_tensor(_message(value), weights)
        else:
            _refuse("graph", number)


def _check_node(data: memoryview, weights: Path) -> None:
    for number, value in _fields(data):
        if number == _NODE["op_type"]:
            if _message(value).tobytes() not in OPERATORS:
                raise _NotOnnxError(f"{_said(value)} is not an operator that is run")
        elif number == _NODE["domain"]:
            if _message(value).tobytes() not in DOMAINS:
                raise _NotOnnxError(f"an operator is of {_said(value)}")
        elif number == _NODE["attribute"]:
            _check_attribute(_message(value), weights)
        else:
            _refuse("node", number)


def _check_attribute(data: memoryview, weights: Path) -> None:
    for number, value in _fields(data):
        if number in _ATTRIBUTE.values():
            _check_tensor(_message(value), weights)
        else:
            _refuse("attribute", number)


def _check_tensor(data: memoryview, weights: Path) -> None:
    for number, value in _fields(data):
        if number == _EXTERNAL:
            entry = dict(_fields(_message(value)))
            key, said = (_message(entry.get(k, memoryview(b""))).tobytes() for k in (1, 2))
            _check_place(key, said, weights)
        else:
            _refuse("tensor", number)


def _check_place(key: bytes, said: bytes, weights: Path) -> None:
    """Of where a weight lies: the file must be the graph's own, and the part must lie in it."""
    if key == b"location":
        if said != weights.name.encode():
            raise _NotOnnxError(f"a weight lies in {said[:80]!r}, not in {weights.name}")
    elif key in (b"offset", b"length"):
        size = weights.stat().st_size if weights.is_file() else 0
        if not (said.isdigit() and len(said) < 20 and int(said) <= size):
            raise _NotOnnxError(f"a weight's {key.decode()} is {said[:40]!r} of {size} bytes")
    elif key != b"checksum":
        raise _NotOnnxError(f"{key[:40]!r} of a weight is not read")


def _said(value: int | memoryview) -> str:
    return repr(bytes(_message(value)[:40]))
