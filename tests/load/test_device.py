"""The machine at hand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from burnish.core.model import Rate
from burnish.load import device, probe_device
from burnish.load.device import compile_product, executed_precision, instruction_sets, memory_mib

X86 = "processor : 0\nmodel name : Xeon\nflags : fpu avx2 avx512f avx512_vnni amx_tile amx_int8 avx_vnni\n"
ARM = "processor : 0\nFeatures : fp asimd asimddp i8mm bf16 sve\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory for every test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "burnish" / "device.json"


def test_first_probe_measures_and_the_next_remembers(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first probe measures; `fresh` measures again; both answer the same kind of Device."""
    calls: list[float] = []

    def measure(seconds: float) -> Rate:
        calls.append(seconds)
        return Rate(fp32=1.0, bf16=2.0, int8=float(len(calls)))

    monkeypatch.setattr(device, "measure_rate", measure)
    first, second = probe_device(), probe_device()
    assert first == second
    assert calls == [5.0]
    assert probe_device(seconds=1.0, fresh=True).gops.int8 == 2.0
    assert calls == [5.0, 1.0]
    assert probe_device().gops.int8 == 2.0


def test_probe_measures_the_machine() -> None:
    """Every rate is positive, the whole takes about as long as asked, cores and memory are the machine's."""
    start = time.perf_counter()
    found = probe_device(seconds=0.3, fresh=True)
    assert time.perf_counter() - start < 10
    assert min(found.gops.fp32, found.gops.bf16, found.gops.int8) > 0.1
    assert found.cores == device._cores() >= 1
    assert found.memory_mib > 256
    assert found.name


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[]", '{"a": {"fp32": "fast"}}', "\udcff"])
def test_broken_cache_is_measured_over(cache: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that is damaged or of another shape is measured over, never believed, never an error."""
    rate = Rate(fp32=1, bf16=2, int8=3)
    monkeypatch.setattr(device, "measure_rate", lambda seconds: rate)
    cache.parent.mkdir()
    cache.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert probe_device().gops == rate
    assert list(json.loads(cache.read_text(encoding="utf-8")).values()) == [rate.model_dump()]


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache directory that cannot be made costs the measurement, not the answer."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(device, "measure_rate", lambda seconds: Rate(fp32=1, bf16=2, int8=3))
    assert probe_device().gops.int8 == 3


def test_another_processor_is_another_entry(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache carried to another processor is not believed there, and keeps what it knew."""
    rates = iter([Rate(fp32=1, bf16=1, int8=1), Rate(fp32=2, bf16=2, int8=2)])
    monkeypatch.setattr(device, "measure_rate", lambda seconds: next(rates))
    monkeypatch.setattr(device, "_name", lambda: "one")
    assert probe_device().gops.fp32 == 1
    monkeypatch.setattr(device, "_name", lambda: "two")
    assert probe_device().gops.fp32 == 2
    monkeypatch.setattr(device, "_name", lambda: "one")
    assert probe_device().gops.fp32 == 1


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        (X86, ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_tile", "amx_int8")),
        (ARM, ("asimd", "asimddp", "i8mm", "bf16", "sve")),
        ("", ()),
    ],
)
def test_instruction_sets(cpuinfo: str, expected: tuple[str, ...]) -> None:
    """The instruction sets that matter are read on x86-64 and on Arm, and none where there is no file."""
    assert instruction_sets(cpuinfo) == expected


def test_container_limit_is_the_memory(tmp_path: Path) -> None:
    """A container's limit counts where it is lower than the machine's memory; "max" and no file do not."""
    machine = memory_mib(())
    (tmp_path / "low").write_text(f"{64 << 20}\n", encoding="ascii")
    (tmp_path / "none").write_text("max\n", encoding="ascii")
    (tmp_path / "high").write_text(f"{1 << 62}\n", encoding="ascii")
    assert memory_mib((tmp_path / "low",)) == 64
    assert memory_mib((tmp_path / "none", tmp_path / "high", tmp_path / "absent")) == machine


def test_int8_product_runs_in_int8() -> None:
    """The product measured as int8 multiplies 8-bit integers, by the runtime's own account, and is right."""
    if "avx2" not in instruction_sets(device._cpuinfo()):
        pytest.skip("needs an x86-64 processor with AVX2, where OpenVINO has int8 kernels")
    compiled = compile_product("int8")
    assert executed_precision(compiled) in ("u8", "i8")
    assert executed_precision(compile_product("fp32")) == "f32"
    left = np.random.default_rng(2).uniform(0, 2.55, (device.SIDE, device.SIDE)).astype(np.float32)
    int8, fp32 = (c([left])[0] for c in (compiled, compile_product("fp32")))
    assert 0 < np.linalg.norm(int8 - fp32) / np.linalg.norm(fp32) < 0.02
