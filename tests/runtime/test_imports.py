"""Running a bundle loads nothing of what builds one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SD, Bundles

HEAVY = ("torch", "diffusers", "transformers", "nncf", "scipy", "skimage", "accelerate", "pandas")
GENERATE = (
    "import burnish.cli.main as main\n"
    "sys.argv = ['burnish', 'generate', sys.argv[1], 'a', '-o', sys.argv[2]]\n"
    "try: main.run()\n"
    "except SystemExit as end: assert not end.code, end.code\n"
)
USES = {
    "runtime": "import burnish.runtime",
    "command line": "import burnish.cli.main",
    "a picture": (
        "from burnish.runtime import Pipeline, Request\n"
        "Pipeline(sys.argv[1]).generate(Request(seeds=(1,), prompts=('a',)))"
    ),
    "burnish generate": GENERATE,
}


@pytest.mark.parametrize("name", USES)
def test_nothing_that_builds_is_loaded(name: str, bundle: Bundles, tmp_path: Path) -> None:
    """In a fresh process, after the import or the whole command, no heavy module is in sys.modules."""
    ask = f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    code = f"import sys\n{USES[name]}\n{ask}"
    argv = [sys.executable, "-c", code, str(bundle(SD)), str(tmp_path / "a.png")]
    child = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
    assert child.stderr.strip().splitlines()[-1] == "[]"


def test_a_cold_start_waits_for_nothing_else(bundle: Bundles, tmp_path: Path) -> None:
    """`burnish generate` imports no table, no other verb, and nothing that could call home."""
    unneeded = ("rich.console", "burnish.api", "burnish.cli.optimize", "openvino_telemetry", "ssl")
    code = f"import sys\n{GENERATE}\nprint([m for m in {unneeded!r} if m in sys.modules], file=sys.stderr)"
    argv = [sys.executable, "-c", code, str(bundle(SD)), str(tmp_path / "a.png")]
    child = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603
    assert child.stderr.strip().splitlines()[-1] == "[]"


def test_a_bundle_runs_where_torch_is_not_installed(bundle: Bundles) -> None:
    """With every heavy package made unimportable, `python -m burnish.runtime` still makes its picture."""
    code = (
        f"import sys\nfor name in {HEAVY!r}: sys.modules[name] = None\n"
        "from pathlib import Path; from burnish.runtime.__main__ import main; main(Path(sys.argv[1]))"
    )
    child = subprocess.run([sys.executable, "-c", code, str(bundle(SD))], capture_output=True, text=True)  # noqa: S603
    assert (child.returncode, child.stderr) == (0, "")
