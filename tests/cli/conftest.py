"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from burnish.cli.main import run
from tests.measure.conftest import write_clip


class Answer(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Burnish = Callable[..., Answer]
COLUMNS = {"COLUMNS": "400", "TERM": "dumb", "NO_COLOR": "1"}


@pytest.fixture
def burnish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Burnish:
    """Runs `burnish ...` in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    for key, value in COLUMNS.items():
        monkeypatch.setenv(key, value)

    def ask(*argv: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["burnish", *map(str, argv)])
        capfd.readouterr()
        code = 0
        with warnings.catch_warnings():
            try:
                run()
            except SystemExit as end:
                code = int(end.code or 0)
        said = capfd.readouterr()
        return Answer(code, said.out, said.err)

    return ask


@pytest.fixture
def process(tmp_path: Path) -> Burnish:
    """Runs `python -m burnish ...` in a fresh process, in an empty directory; `before` is run first."""

    def ask(*argv: object, before: str = "") -> Answer:
        code = f"{before}\nimport sys; sys.argv = ['burnish', *sys.argv[1:]]\nimport burnish.__main__"
        start = ["-c", code] if before else ["-m", "burnish"]
        child = subprocess.run(  # noqa: S603
            [sys.executable, *start, *map(str, argv)],
            cwd=tmp_path,
            env=os.environ | COLUMNS,
            capture_output=True,
            text=True,
        )
        return Answer(child.returncode, child.stdout, child.stderr)

    return ask


@pytest.fixture
def noise_is_whole() -> Iterator[None]:
    """What random weights draw counts as broken; how a search ends is another matter."""
    module = import_module("burnish.measure.metrics.broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REASONS", {"blank": module.REASONS["blank"]})  # which controls plant
        patch.setattr(import_module("burnish.program.fit"), "STUDENTS", 2)  # how near a fit comes, too
        yield


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny random CLIP, the judge."""
    return write_clip(tmp_path_factory.mktemp("judge") / "clip")


@pytest.fixture
def small_suite(tmp_path: Path) -> Path:
    """A suite of nine prompts with two seeds, outside the directory that commands run in."""
    from burnish.core.evidence import Prompt, Suite

    prompts = [Prompt(prompt=text) for text in "abcdefghi"]
    path = tmp_path.parent / f"{tmp_path.name}-suite.json"
    Suite(name="small", selection=tuple(prompts[:4]), confirmation=tuple(prompts[4:]), seeds=(0, 1)).save(
        path
    )
    return path
