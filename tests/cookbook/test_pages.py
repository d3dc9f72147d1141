"""The cookbook's examples, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny_models

PAGES = sorted((Path(__file__).parents[2] / "docs" / "cookbook").glob("*.md"))
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's Python and shell examples run in order, in one folder, without an error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if "burnish inspect model" in page.read_text():
        tiny_models.stable_diffusion(tmp_path / "model")
    names: dict[str, object] = {}
    blocks = BLOCK.findall(page.read_text())

    assert blocks
    for language, code in blocks:
        if language == "python":
            exec(compile(code, str(page), "exec"), names)  # noqa: S102 - our own documentation
        else:
            subprocess.run(["sh", "-e", "-c", code], check=True, capture_output=True)  # noqa: S603, S607
