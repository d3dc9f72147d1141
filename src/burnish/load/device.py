"""The machine at hand: cores, memory, instruction sets, and how fast it multiplies at each precision."""

from __future__ import annotations

import os
import platform
import re
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op
from pydantic import TypeAdapter, ValidationError

from burnish.core.files import cache_directory, read_text, write_text
from burnish.core.model import Device, Rate

CPUINFO = Path("/proc/cpuinfo")
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
X86 = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16")
ARM = ("asimd", "asimddp", "i8mm", "bf16", "sve")  # asimddp is the dot product
# Lines of /proc/cpuinfo that name the processor: x86-64, and some Arm boards.
_NAME = re.compile(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^(?:flags|Features)\s*:\s*(.+)$", re.MULTILINE)

# Square matrices of this side: large enough for the kernels, small enough for half a second on a slow core.
SIDE = 1024
TURNS = 4
PRECISIONS = ("fp32", "bf16", "int8")
_RATES = TypeAdapter(dict[str, Rate])


def _cpuinfo() -> str:
    return CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""


def instruction_sets(cpuinfo: str) -> tuple[str, ...]:
    """Those of X86 and ARM that a text like /proc/cpuinfo names, in that order; none where it is empty."""
    flags = {flag for line in _FLAGS.findall(cpuinfo) for flag in line.split()}
    return tuple(name for name in (*X86, *ARM) if name in flags)


def _name() -> str:
    found = _NAME.search(_cpuinfo())
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_mib(limits: tuple[Path, ...] = MEMORY_LIMITS) -> float:
    """MiB this process may use: the machine's, or a container's where that is lower; 0 where unknown."""
    names = getattr(os, "sysconf_names", {})
    known = "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")] if known else []
    for path in limits:
        text = path.read_text(encoding="ascii").strip() if path.is_file() else ""
        sizes += [int(text)] if text.isdigit() else []  # "max" is no limit
    return min(sizes, default=0) / 2**20


def product(precision: str) -> ov.Model:
    """A model of one SIDE x SIDE matrix product, its right side constant; int8 quantises both sides."""
    left = op.parameter([SIDE, SIDE], np.float32, name="left")
    weights = np.random.default_rng(0).uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    right = op.constant(weights)
    a: ov.Node = left
    if precision == "int8":
        # u8 on the left and i8 on the right is the pair that every int8 instruction set multiplies.
        a = op.fake_quantize(a, *map(np.float32, (0, 2.55, 0, 2.55)), 256)
        right = op.fake_quantize(right, *map(np.float32, (-1, 1, -1, 1)), 255)
    return ov.Model([op.matmul(a, right, False, True)], [left], precision)


def compile_product(precision: str) -> ov.CompiledModel:
    """The product, compiled for the CPU with every core this process has."""
    hint = "bf16" if precision == "bf16" else "f32"
    settings = {
        "INFERENCE_PRECISION_HINT": hint,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": _cores(),
    }
    return ov.Core().compile_model(product(precision), "CPU", settings)


def executed_precision(compiled: ov.CompiledModel) -> str:
    """What the runtime multiplies in, as it says itself: "f32", "bf16", "f16", "u8" or "i8"."""
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        if info["layerType"].value in ("FullyConnected", "MatMul"):
            return str(info["runtimePrecision"].value)
    return ""


def _fastest(request: ov.InferRequest, seconds: float) -> float:
    """Seconds of the fastest run: other work on the machine only ever adds to one."""
    best = float("inf")
    start = end = time.perf_counter()
    while end - start < seconds or best == float("inf"):
        begin = time.perf_counter()
        request.infer()
        end = time.perf_counter()
        best = min(best, end - begin)
    return best


def measure_rate(seconds: float) -> Rate:
    """Rates of SIDE x SIDE products, each measured for about a third of `seconds`.

    The precisions take turns, so that other work on the machine slows all three alike.
    """
    left: NDArray[np.float32] = np.random.default_rng(1).uniform(0, 2.55, (SIDE, SIDE)).astype(np.float32)
    requests = {p: compile_product(p).create_infer_request() for p in PRECISIONS}
    for request in requests.values():
        request.infer([left])  # the first run packs weights
    turn = seconds / (TURNS * len(requests))
    best = dict.fromkeys(requests, float("inf"))
    for _ in range(TURNS):
        best = {p: min(best[p], _fastest(request, turn)) for p, request in requests.items()}
    return Rate(**{p: 2 * SIDE**3 / fastest / 1e9 for p, fastest in best.items()})


def _cache() -> Path:
    return cache_directory() / "device.json"


def _remembered() -> dict[str, Rate]:
    try:
        return _RATES.validate_json(read_text(_cache()))
    except (OSError, UnicodeDecodeError, ValidationError):
        return {}  # no cache, or one that somebody else wrote: measure


def _remember(rates: dict[str, Rate]) -> None:
    # A read-only home costs five seconds each time, which is no reason to fail.
    with suppress(OSError):
        write_text(_cache(), _RATES.dump_json(rates, indent=2).decode() + "\n")


def probe_device(seconds: float = 5.0, fresh: bool = False) -> Device:
    """The machine at hand; rates are measured for about `seconds` in all the first time, then remembered.

    They are kept by processor name, number of cores and OpenVINO version; `fresh` measures again. A precision
    the processor lacks is measured as OpenVINO emulates it. A cache that cannot be read or written is done
    without. Raises what OpenVINO raises where it has no CPU plugin (RuntimeError).
    """
    name, cores = _name(), _cores()
    key = f"{name} | {cores} cores | OpenVINO {ov.__version__}"
    rates = _remembered()
    if fresh or key not in rates:
        rates[key] = measure_rate(seconds)
        _remember(rates)
    return Device(
        name=name,
        cores=cores,
        memory_mib=memory_mib(),
        instruction_sets=instruction_sets(_cpuinfo()),
        gops=rates[key],
    )
