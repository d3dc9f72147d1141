"""Energy counters of a made-up machine, and the estimate that stands in for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.core.errors import BurnishError
from burnish.measure.cost import measure_cost
from burnish.measure.energy import WATTS_VARIABLE, energy_meter, estimate

RANGE = 262_143_328_850


def add(root: Path, folder: str, name: str, energy_uj: object = 1_000_000, range_uj: object = RANGE) -> Path:
    """One counter as Linux's powercap shows it."""
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


def advance(*paths: Path, joules: float) -> None:
    """Lets counters run, past their end too."""
    for path in paths:
        before = int((path / "energy_uj").read_text())
        (path / "energy_uj").write_text(str((before + round(joules * 1e6)) % RANGE))


def test_joules_are_those_of_all_packages_and_of_nothing_inside_them(tmp_path: Path) -> None:
    """Two packages are added; cores, memory and the whole platform would count twice."""
    packages = [add(tmp_path, f"intel-rapl:{k}", f"package-{k}") for k in range(2)]
    others = [
        add(tmp_path, "intel-rapl:0:0", "core"),
        add(tmp_path, "intel-rapl:0:1", "package-die-0"),
        add(tmp_path, "intel-rapl:2", "psys"),
        add(tmp_path, "intel-rapl-mmio:0", "package-0"),
    ]
    meter = energy_meter(tmp_path)
    assert meter is not None
    before = meter.read()
    advance(*packages, joules=2.5)
    advance(*others, joules=100.0)
    assert meter.joules(before, meter.read()) == pytest.approx(5.0)
    assert meter.energy_from == "RAPL counters of package-0, package-1, other work included"


def test_a_counter_that_starts_again_loses_nothing(tmp_path: Path) -> None:
    """3 J across the end of the range are 3 J."""
    package = add(tmp_path, "intel-rapl:0", "package-0", energy_uj=RANGE - 1_000_000)
    meter = energy_meter(tmp_path)
    assert meter is not None
    before = meter.read()
    advance(package, joules=3.0)
    assert int((package / "energy_uj").read_text()) == 2_000_000
    assert meter.joules(before, meter.read()) == pytest.approx(3.0)


@pytest.mark.parametrize("content", ["", "secret", "-5", "1.5", "²"])
@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj"])
def test_a_machine_that_counts_in_part_has_no_meter(content: str, file: str, tmp_path: Path) -> None:
    """One package of two says too little, so there is none; nor is there with no folder at all."""
    add(tmp_path, "intel-rapl:0", "package-0")
    (add(tmp_path, "intel-rapl:1", "package-1") / file).write_text(content)
    assert energy_meter(tmp_path) is None
    assert energy_meter(tmp_path / "nothing") is None


def test_counters_that_may_not_be_read_are_no_meter(tmp_path: Path) -> None:
    """Linux lets only root read them by default; an OSError leaves no meter, and no trace."""
    counter = add(tmp_path, "intel-rapl:0", "package-0") / "energy_uj"
    assert energy_meter(tmp_path) is not None
    counter.unlink()
    counter.mkdir()  # whoever reads a folder gets an OSError, root too
    assert energy_meter(tmp_path) is None


def test_a_measured_run_has_the_counters_median(tmp_path: Path) -> None:
    """Runs of 1, 9 and 2 J have 2 J, and say which counters know; the warm-up is not counted."""
    package = add(tmp_path, "intel-rapl:0", "package-0")
    joules = iter([50.0, 1.0, 9.0, 2.0])
    meter = energy_meter(tmp_path)
    cost = measure_cost(lambda: advance(package, joules=next(joules)), repeats=3, meter=meter)
    assert cost.energy_j == pytest.approx(2.0)
    assert cost.energy_from == "RAPL counters of package-0, other work included"


def test_without_a_meter_joules_are_estimated_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU-seconds times 8 W, or what the environment or the caller states."""
    monkeypatch.delenv(WATTS_VARIABLE, raising=False)
    cost = measure_cost(lambda: sum(range(10**5)), repeats=1)
    assert cost.energy_j == pytest.approx(8.0 * cost.cpu_s)
    assert cost.energy_from == "estimated at 8 W a busy core"
    monkeypatch.setenv(WATTS_VARIABLE, "12.5")
    assert estimate(2.0) == (25.0, "estimated at 12.5 W a busy core")
    assert estimate(2.0, watts=3.0) == (6.0, "estimated at 3 W a busy core")


def test_a_meter_that_stops_leaves_the_estimate(tmp_path: Path) -> None:
    """A counter that cannot be read any more after one of the runs gives no number of its own."""
    package = add(tmp_path, "intel-rapl:0", "package-0")
    meter = energy_meter(tmp_path)
    cost = measure_cost((package / "energy_uj").unlink, repeats=1, warmup=0, meter=meter)
    assert cost.energy_from.startswith("estimated at")


@pytest.mark.parametrize("stated", ["", "eight", "nan", "0", "-3", "inf", "1e9"])
def test_watts_that_are_none_are_refused(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """BurnishError names the value and the variable."""
    monkeypatch.setenv(WATTS_VARIABLE, stated)
    with pytest.raises(BurnishError, match=WATTS_VARIABLE) as caught:
        estimate(1.0)
    assert repr(stated) in caught.value.problem
