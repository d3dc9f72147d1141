"""The comparison with peers: its table and pins, the protocol, and how timings become ratios."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import environments, results, runs
from benchmarks.peers.models import PREFIX, write_icons
from benchmarks.peers.protocol import Job, read_pictures, read_reply
from benchmarks.peers.runs import Bench, slug
from benchmarks.peers.table import BASELINE, SCRIPTS, Row, rows
from benchmarks.peers.timings import Log, Timing, whole
from benchmarks.peers.verdicts import by_prompt, first_prompts, reason
from burnish.api.models import inspect
from burnish.api.verdicts import default_suite
from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BurnishError, SuiteError
from burnish.core.evidence import Check, Interval, Verdict
from burnish.core.noise import noise
from burnish.runtime import Pipeline
from burnish.runtime import Request as Asked

ROWS = rows([])
# A peer that paints each picture with its seed and says nothing else.
PAINTER = """
import numpy as np
from serve import serve
def open_model(asked):
    def make(prompts, noise, seeds, calls):
        assert noise.shape == (len(seeds), 4, 16, 16) and len(prompts) == asked["batch"]
        shape = (len(seeds), asked["height"], asked["width"], 3)
        return np.broadcast_to(np.array(seeds, np.uint8)[:, None, None, None], shape)
    return make
serve(open_model)
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Three pictures of the embedded model."""
    return Job(
        model=tmp_path, card=inspect("icons"), prompts=("a", "b", "c"), seeds=(5, 6, 7), captions=("d",)
    )


@pytest.fixture
def bench(job: Job, tmp_path: Path) -> Bench:
    """A bench in a folder of its own."""
    return Bench(job=job, folder=tmp_path / "kept", environments=tmp_path / "environments")


@pytest.fixture
def painter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Row:
    """A row whose script is the painter, run by this Python."""
    (tmp_path / "serve.py").write_text((SCRIPTS / "serve.py").read_text())
    (tmp_path / "painter.py").write_text(PAINTER)
    monkeypatch.setattr("benchmarks.peers.table.SCRIPTS", tmp_path)
    return Row("painter", None, "painter.py", batches=(2,))


def timing(row: str, seconds: float, number: int = 0, session: str = "s") -> Timing:
    """A timing of batch 1 whose every cost is `seconds`."""
    return Timing(
        row=row,
        batch=1,
        round=number,
        session=session,
        latency_s=seconds,
        cpu_s=seconds,
        peak_mib=seconds,
        cold_start_s=seconds,
    )


def test_the_table_begins_with_the_baseline_and_names_every_row_once() -> None:
    """The baseline comes first, and no two rows share a name or a folder."""
    assert ROWS[0].name == BASELINE
    assert len({slug(row.name) for row in ROWS}) == len(ROWS) == len({row.name for row in ROWS})


@pytest.mark.parametrize("named", ["diffusers:", "optimum-intel:", "Pruna:", "DeepCache:", "FastSD CPU:"])
def test_every_peer_has_rows(named: str) -> None:
    """The peers that the comparison promises are in its table."""
    names = [row.name for row in ROWS]
    assert any(name.startswith(named) for name in names)
    assert any(name.startswith("stable-diffusion.cpp:") for name in names)


def test_a_bundle_is_a_row_named_by_its_plan_and_drawn_by_the_runtime(
    bundle: Callable[[str], Path], job: Job, tmp_path: Path
) -> None:
    """Burnish's own row runs in a process of its own, and another bundle in its place is another row."""
    row = rows([bundle("stable_diffusion")])[1]
    assert row.name.startswith("Burnish: ")
    card = Bundle.read(bundle("stable_diffusion") / MANIFEST).model
    own = replace(job, card=card)
    pictures = Bench(job=own, folder=tmp_path / "kept", environments=tmp_path).draw(row)
    assert len(pictures) == 3
    whole_run = Pipeline(bundle("stable_diffusion")).generate(Asked(seeds=(5, 6, 7), prompts=("a", "b", "c")))
    assert np.abs(np.stack(pictures).astype(int) - whole_run).max() <= 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: slug(row.name))
def test_a_row_has_its_script_and_its_environment_pins_every_package(row: Row) -> None:
    """Each script exists, and each requirement is one exact version, so a comparison can be made again."""
    assert row.path.is_file()
    if row.environment is not None:
        assert len(environments.pins(row.environment)) > 3


@pytest.mark.parametrize("line", ["torch>=2", "torch", "-e .", "torch==2.*", "https://example.org/a.whl"])
def test_a_requirement_that_pins_no_version_is_refused(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A requirements file with anything but exact versions is not installed."""
    (tmp_path / "diffusers.txt").write_text(f"numpy==2.0\n{line}\n")
    monkeypatch.setattr("benchmarks.peers.table.REQUIREMENTS", tmp_path)
    with pytest.raises(BurnishError, match="pins no version"):
        environments.pins(environments.Environment("diffusers"))


@pytest.mark.parametrize("script", sorted(p.name for p in SCRIPTS.glob("*.py") if p.name != "bundle.py"))
def test_a_peer_imports_nothing_of_ours(script: str) -> None:
    """A peer's script runs where Burnish is not installed."""
    tree = ast.parse((SCRIPTS / script).read_text())
    froms = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    plain = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert not {name for name in froms | plain if name.split(".")[0] in ("burnish", "benchmarks")}


def test_a_peer_finds_no_hub_no_telemetry_and_no_limit_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub is off, and a limit that only some peers heed is taken away from all."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = environments.variables(tmp_path / "kept", tmp_path / "home")
    assert found["HF_HUB_OFFLINE"] == "1"
    assert "OMP_NUM_THREADS" not in found
    assert (tmp_path / "home" / "intel" / "openvino_telemetry").read_text() == "0"


def test_a_peer_gets_our_noise_and_its_pictures_come_back_in_order(bench: Bench, painter: Row) -> None:
    """Three pictures in batches of two, the last one filled up: each has its own seed's paint."""
    pictures = bench.draw(painter)
    assert [int(p[0, 0, 0]) for p in pictures] == [5, 6, 7]
    sent = np.load(next(bench.place(painter).glob("drawn-*/noise.npy")))
    assert np.array_equal(sent, noise((5, 6, 7), (4, 16, 16)))


def test_what_a_peer_drew_is_not_drawn_again(bench: Bench, painter: Row) -> None:
    """A run that was stopped goes on: a row's pictures are kept, until the prompts change."""
    bench.draw(painter)
    painter.path.unlink()
    assert len(bench.draw(painter)) == 3
    other = replace(bench, job=replace(bench.job, prompts=("x", "y", "z")))
    with pytest.raises(BurnishError):
        other.draw(painter)


def test_a_peer_is_timed_in_its_own_process(bench: Bench, painter: Row) -> None:
    """Seconds of a picture are a batch's over its size, and a cold start is longer than a warm picture."""
    found = bench.time(painter, 2, 0, "s")
    assert 0 <= found.latency_s < found.cold_start_s
    assert found.peak_mib > 10


def test_a_peer_that_fails_is_a_row_with_its_last_line(bench: Bench, painter: Row) -> None:
    """The error is written down, the row says that it cannot run, and it is not tried again."""
    painter.path.write_text("raise SystemExit('no such instruction')")
    assert runs.draw_all(bench, [painter], pictures=True) == {}
    (line,) = results.lines(bench, [painter], {})
    assert line["verdict"] == "cannot run"
    assert "no such instruction" in str(line["why"])
    painter.path.write_text(PAINTER)
    assert runs.draw_all(bench, [painter], pictures=True) == {}
    bench.forget([painter])
    assert list(runs.draw_all(bench, [painter], pictures=True)) == ["painter"]


def test_an_error_names_no_folder_of_this_machine_and_a_signal_by_its_name() -> None:
    """A row's error can be published: files by their last name, a crash by its signal."""
    error = BurnishError("/home/me/bin/python did not run: it exited with 1", "no file at /home/me/a/b.txt")
    assert runs.said(error) == "python did not run: it exited with 1. no file at b.txt"
    crash = BurnishError("/bin/python did not run: it exited with -11", "a warning that came before")
    assert runs.said(crash) == "it ended with SIGSEGV"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "[]",
        "{}",
        '{"cold_start_s": 1, "timed": []}',
        '{"cold_start_s": NaN, "timed": [{"latency_s": 1, "cpu_s": 1}]}',
        '{"cold_start_s": true, "timed": [{"latency_s": 1, "cpu_s": 1}]}',
        '{"cold_start_s": 1, "timed": [{"latency_s": -1, "cpu_s": 1}]}',
        '{"cold_start_s": 1, "timed": [7]}',
    ],
)
def test_a_reply_that_is_no_reply_is_refused(reply: str, tmp_path: Path) -> None:
    """A peer's numbers are there, finite and not negative, or its row is an error."""
    (tmp_path / "reply.json").write_text(reply)
    with pytest.raises(BurnishError):
        read_reply(tmp_path, ["cold_start_s", "timed"])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 64, 64, 3), np.float32),
        np.zeros((3, 32, 64, 3), np.uint8),
        np.zeros((2, 64, 64, 3), np.uint8),
        np.zeros(3, np.uint8),
        np.array([None]),
    ],
)
def test_pictures_that_were_not_asked_for_are_refused(array: np.ndarray, job: Job, tmp_path: Path) -> None:
    """Another type, size or number of pictures is no answer, and an object array is not opened."""
    np.save(tmp_path / "00000.npy", array, allow_pickle=True)
    with pytest.raises(SuiteError):
        read_pictures(tmp_path, job)


def test_a_ratio_is_taken_within_a_round_of_a_session(tmp_path: Path) -> None:
    """The baseline's first and last are averaged; another session's, on a slower day, do not count."""
    log = Log(tmp_path / "log.jsonl")
    for one in (timing("base", 8.0), timing("peer", 2.0), timing("base", 12.0)):
        log.add(one)
    log.add(timing("base", 1000.0, session="a slower day"))
    found = Log(tmp_path / "log.jsonl").costs("peer", 1, "base")
    assert found["x latency_s"] == pytest.approx(5.0)
    assert found["latency_s"] == 2.0


def test_a_damaged_line_of_the_log_is_passed_over(tmp_path: Path) -> None:
    """A run that was stopped while it wrote loses that line alone."""
    path = tmp_path / "log.jsonl"
    Log(path).add(timing("peer", 1.0))
    path.write_text(path.read_text() + '{"row": "peer", "ba')
    assert [t.row for t in Log(path).timings] == ["peer"]
    assert Log(path).has("peer", 1, 0)


def test_few_calls_are_extrapolated_to_all() -> None:
    """With 3 s once and 2 s a call, 2 and 4 calls say that 50 take 103 s; a picture is a batch's share."""
    timed = [{"calls": n, "latency_s": 3 + 2 * n, "cpu_s": 6 + 4 * n} for n in (2, 4)]
    assert whole(timed, 50, 1) == pytest.approx((103, 206, True))
    assert whole([{"calls": None, "latency_s": 8.0, "cpu_s": 16.0}], 20, 4) == pytest.approx((2, 4, False))


def test_the_baseline_comes_first_and_last_in_each_round(
    bench: Bench, painter: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows take turns between two runs of the baseline, and what was timed is not timed again."""
    base, other = replace(painter, name=BASELINE), replace(painter, name="other")
    asked: list[str] = []

    def time(self: Bench, row: Row, batch: int, number: int, session: str) -> Timing:
        asked.append(row.name)
        return replace(timing(row.name, 1.0, number, session), batch=batch)

    monkeypatch.setattr(Bench, "time", time)
    runs.take_turns(bench, [base, painter, other], 1)
    assert asked == [BASELINE, "painter", "other", BASELINE]
    runs.take_turns(bench, [base, painter, other], 2)
    assert asked[4:] == asked[:4]


def test_a_text_encoder_is_named_so_that_older_libraries_load_it(tmp_path: Path) -> None:
    """The copy holds the same numbers, every text encoder's name with the published prefix."""
    from safetensors.numpy import load_file

    from burnish.load import resolve

    write_icons(tmp_path / "icons")
    own = load_file(resolve("icons") / "text_encoder" / "model.safetensors")
    copy = load_file(tmp_path / "icons" / "text_encoder" / "model.safetensors")
    assert {PREFIX + name.removeprefix(PREFIX) for name in own} == set(copy)
    assert all(np.array_equal(value, copy[PREFIX + name.removeprefix(PREFIX)]) for name, value in own.items())


def test_pictures_are_grouped_as_the_suite_asks() -> None:
    """A prompt's seeds stand together."""
    pictures = [np.full((2, 2, 3), k, np.uint8) for k in range(6)]
    grouped = by_prompt(pictures, 2)
    assert [g.shape for g in grouped] == [(2, 2, 2, 3)] * 3
    assert [int(g[1, 0, 0, 0]) for g in grouped] == [1, 3, 5]


def test_fewer_prompts_are_the_first_ones() -> None:
    """Trying out with two prompts judges on the suite's first two."""
    suite = default_suite(inspect("icons"))
    assert first_prompts(suite, 2).confirmation == suite.confirmation[:2]
    assert first_prompts(suite, None) == suite


def test_what_kept_a_peer_from_pass_is_said_worst_first() -> None:
    """A FAIL is named before an INCONCLUSIVE, with its interval and bound; a PASS gives no reason."""

    def check(metric: str, outcome: str) -> Check:
        interval = Interval(mean=-2, low=-3, high=-1, n=9)
        return Check(
            metric=metric,
            unit="points",
            interval=interval,
            bound=-0.5,
            direction="higher",
            why="",
            outcome=outcome,  # type: ignore[arg-type]
        )

    found = Verdict(
        floor="equivalent",
        outcome="FAIL",
        checks=(check("b", "INCONCLUSIVE"), check("a", "FAIL"), check("c", "PASS")),
    )
    assert reason(found).startswith("a -2 (-3 to -1), bound -0.5; b ")
    assert reason(Verdict(floor="equivalent", outcome="PASS", checks=(check("c", "PASS"),))) == ""


@pytest.mark.parametrize(
    "script", ["serve.py", "diffusers_pipeline.py", "stock.py", "deep_cache.py", "smash.py"]
)
def test_a_peer_imports_its_libraries_when_it_opens_a_model(script: str) -> None:
    """At the head of a script stand Python and numpy alone, so that a cold start counts the libraries."""
    heads = [
        n
        for n in ast.parse((SCRIPTS / script).read_text()).body
        if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    names = {n.module if isinstance(n, ast.ImportFrom) else n.names[0].name for n in heads}
    own = {path.stem for path in SCRIPTS.glob("*.py")} | {"numpy"} | sys.stdlib_module_names
    assert {str(name).split(".")[0] for name in names} <= own


def test_a_request_is_whole_json(bench: Bench, painter: Row, tmp_path: Path) -> None:
    """A peer reads from the request all that the picture depends on."""
    path = bench.job.request(painter, "draw", tmp_path / "kept", tmp_path / "out", batch=2)
    asked = json.loads(path.read_text())
    assert (asked["height"], asked["width"], asked["scale"]) == (64, 64, inspect("icons").guidance_scale)
    assert asked["prompts"] == ["a", "b", "c"]
    assert asked["seeds"] == [5, 6, 7]
    assert asked["prediction_type"] == "v_prediction"
