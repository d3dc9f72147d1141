"""Whatever is wrong, a command says so in one line, ends with another code than 0, and writes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from burnish.core.evidence import Prompt, Suite
from burnish.core.plan import Plan
from tests.cli.conftest import Burnish
from tests.conftest import DDPM, DIT, SD, Bundles, Stores

# Places that a case may name: {sd}, {dit}, {ddpm} bundles; {model} a model; {file} some text file; {png} a
# picture; {suite} a suite; {clip} a judge; {full} a directory on a disk with no room left.
REFUSED: dict[str, tuple[str, str]] = {
    "unknown verb": ("polish {model}", "No such command 'polish'"),
    "unknown option": ("inspect {model} --magic", "No such option"),
    "no model": ("inspect", "Missing argument 'model'"),
    "inspect nothing": ("inspect nowhere", "nowhere is neither a directory nor an embedded model"),
    "inspect a file": ("inspect {file}", "neither a directory"),
    "inspect a bundle": ("inspect {sd}", "has no model_index.json"),
    "inspect an empty directory": ("inspect {empty}", "has no model_index.json"),
    "generate from nothing": ("generate nowhere a", "nowhere is no bundle"),
    "generate from a model": ("generate {model} a", "is no bundle"),
    "no prompt": ("generate {sd}", "no prompt was given"),
    "prompt for a model without": ("generate {ddpm} a", "takes no prompts"),
    "seed below": ("generate {sd} a --seed -1", "seed -1 is out of range"),
    "seed above": (
        "generate {sd} a --seed 9223372036854775807 -n 2",
        "seed 9223372036854775808 is out of range",
    ),
    "seed in words": ("generate {sd} a --seed seven", "Invalid value for '--seed'"),
    "no pictures": ("generate {sd} a -n 0", "Invalid value for '-n'"),
    "size": ("generate {sd} a --height 33", "height 33 is not divisible by 8. Use 32"),
    "size that is fixed": ("generate {dit} --class-label 1 --height 64", "makes 32x32 pixels only"),
    "class": ("generate {dit} --class-label 1000", "class label 1000 is out of range"),
    "no class": ("generate {dit}", "class_labels has 0 entries"),
    "image missing": ("generate {sd} a --image nowhere.png", "nowhere.png does not exist"),
    "image that is none": ("generate {sd} a --image {file}", "is no picture"),
    "image with a bomb": ("generate {sd} a --image {bomb}", "is no picture: Decompressed data too large"),
    "mask alone": ("generate {sd} a --mask {png}", "a mask needs an image"),
    "strength": ("generate {sd} a --image {png} --strength 0", "strength 0.0 is out of range"),
    "measure nothing": ("measure nowhere", "nowhere is no bundle"),
    "gate nothing": ("gate nowhere --against {sd}", "nowhere is no bundle"),
    "gate against nothing": ("gate {sd} --against nowhere --judge {clip}", "nowhere is neither"),
    "gate without a judge": (
        "gate {sd} --against {sd} --judge nowhere",
        "the judge nowhere: it is not a directory",
    ),
    "suite missing": ("gate {sd} --against {sd} --suite nowhere.json", "nowhere.json does not exist"),
    "suite that is none": ("gate {sd} --against {sd} --suite {file}", "is not JSON"),
    "optimize nothing": ("optimize nowhere", "nowhere is neither"),
    "latency without unit": ("optimize {model} --max-latency 2", "'2' is no duration"),
    "time limit in words": ("optimize {model} --time-limit soon --judge {clip}", "'soon' is no duration"),
    "suite of optimize": ("optimize {model} --suite {file}", "is not JSON"),
    "suite too small": ("optimize {model} --floor faithful --suite {suite}", "Use 59 or more"),
    "suite of one seed": ("optimize {model} --judge {clip} --suite {suite}", "Use two seeds or more"),
    "where the shell is": (
        "optimize {model} --plan {plan} -o .",
        "cannot be replaced as a whole. Use bundle",
    ),
    "field of a plan": (
        "optimize {model} --plan {misspelt}",
        "num_inference_step: Extra inputs are not permitted. The nearest field is num_inference_steps",
    ),
    "scheduler of a plan": ("optimize {model} --plan {euler}", "the nearest are EulerDiscreteScheduler"),
    "a directory for a picture": ("generate {sd} a -o .", "is a directory. Name a file: -o picture.png"),
    "a plan and a floor": (
        "optimize {model} --plan {plan} --floor equivalent",
        "without a search or a verdict. Leave out --floor",
    ),
    "a plan and no stock": ("optimize {model} --plan {plan} --no-stock", "Leave out --stock"),
    "no PNG": ("generate {sd} a -o a.jpg", "Pictures are PNG: -o a.png"),
    "a judge of icons": ("optimize {model}", "Give --judge DIR"),
    "a judge of icons for a gate": ("gate {sd} --against {sd}", "Give --judge DIR"),
    "no text to judge by": ("optimize {ddpm_model}", "has no prompts for a judge"),
    "a judge of nothing": ("measure {sd} --judge {clip}", "Give --suite too"),
    "a suite without prompts": ("measure {sd} --suite {suite} --judge {clip}", "have no interval"),
    "another kind of picture": ("gate {sd} --against {dit} --judge {clip}", "Take two alike"),
    "a link to nothing": ("optimize {model} --plan {plan} -o {dangling}", "is a link to nothing"),
    "unknown floor": ("optimize {model} --floor pretty", "Invalid value for '--floor'"),
    "plan missing": ("optimize {model} --plan nowhere.json", "nowhere.json does not exist"),
    "plan that is none": ("optimize {model} --plan {suite}", "name: Extra inputs are not permitted"),
    "disk full": ("generate {sd} a -o {full}/picture.png", "No space left on device"),
    "disk full for a bundle": ("optimize {model} --plan {plan} -o {full}/bundle", "No space left on device"),
    "bundle over pictures": ("optimize {model} --plan {plan} -o {pictures}", "is there and is no bundle"),
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on a real disk with no room left, where this process may mount one."""
    place = tmp_path_factory.mktemp("full")
    mount, umount = shutil.which("mount"), shutil.which("umount")
    made = mount and umount and os.geteuid() == 0
    if not made or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", place]).returncode:  # noqa: S603
        pytest.skip("a small file system can be mounted by root only")
    try:
        with (place / "filler").open("wb", buffering=0) as file, pytest.raises(OSError):  # noqa: PT012
            while True:
                file.write(bytes(4096))
        yield place
    finally:
        subprocess.run([umount, place], check=True)  # noqa: S603


@pytest.fixture(scope="module")
def places(
    bundle: Bundles, unclipped_models: dict[str, Path], clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """What the cases name, apart from the full disk."""
    root = tmp_path_factory.mktemp("places")
    (root / "file.txt").write_text("not what you think")
    (root / "empty").mkdir()
    (root / "pictures").mkdir()
    (root / "pictures" / "precious").write_text("precious")
    (root / "suite.json").write_text('{"name": "s", "selection": [], "confirmation": []}')
    Plan(num_inference_steps=3).save(root / "plan.json")
    info = PngInfo()
    info.add_text("a", "a" * (2 << 20), zip=True)
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "bomb.png", pnginfo=info)
    (root / "dangling").symlink_to("nowhere")
    nine = tuple(Prompt(prompt=c) for c in "rstuvwxyz")
    Suite(name="nine", selection=(), confirmation=nine, seeds=(0, 1)).save(root / "nine.json")
    (root / "misspelt.json").write_text('{"num_inference_step": 3}')
    Plan(scheduler="EulerDiscrete").save(root / "euler.json")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(root / "black.png")
    return {
        "sd": bundle(SD),
        "dit": bundle(DIT),
        "ddpm": bundle(DDPM),
        "model": unclipped_models[SD],
        "ddpm_model": unclipped_models[DDPM],
        "clip": clip,
        "file": root / "file.txt",
        "empty": root / "empty",
        "pictures": root / "pictures",
        "suite": root / "suite.json",
        "plan": root / "plan.json",
        "misspelt": root / "misspelt.json",
        "dangling": root / "dangling",
        "nine": root / "nine.json",
        "bomb": root / "bomb.png",
        "euler": root / "euler.json",
        "png": root / "black.png",
    }


@pytest.mark.parametrize("name", REFUSED)
def test_one_line_and_nothing_written(
    name: str, places: dict[str, Path], burnish: Burnish, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Standard output stays empty, standard error has one line with the reason, no file appears."""
    command, words = REFUSED[name]
    where = dict(places)
    if "{full}" in command:
        where["full"] = request.getfixturevalue("full")
    watched = [tmp_path, where["pictures"], where["empty"], *([where["full"]] if "full" in where else [])]
    before = [sorted(p.rglob("*")) for p in watched]
    code, out, err = burnish(*(part.format(**where) for part in command.split()))
    assert code not in (0, 1, 3)  # those are a gate's answers
    assert out == ""
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert [sorted(p.rglob("*")) for p in watched] == before


MESSAGE = "Interrupted. Nothing is half-written; the same command resumes where it stopped."
# Where the signal comes: at which call of which method, in the middle of the work.
SIGNAL = """
import signal
from {module} import {owner}
# A shell that starts this in the background has it ignore interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
own, times = {owner}.{method}, iter(range({after}))
def interrupted(*args, **kwargs):
    if next(times, None) is None:
        signal.raise_signal(signal.SIGINT)
    return own(*args, **kwargs)
{owner}.{method} = interrupted
"""
CALL = {"module": "burnish.runtime.graphs", "owner": "CompiledGraph", "method": "together"}
SAVE = {"module": "burnish.core.program", "owner": "Program", "method": "save"}
INTERRUPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "generate": ("generate {sd} a -n 3", CALL | {"after": 3}),
    "a search": ("optimize {model} --judge {clip}", CALL | {"after": 9}),
    "a bundle": ("optimize {model} --plan {plan} -o bundle", SAVE | {"after": 0}),
    "measure": ("measure {sd}", CALL | {"after": 9}),
    "a gate": ("gate {sd} --against {sd} --judge {clip} --suite {nine}", CALL | {"after": 20}),
}


@pytest.mark.parametrize("name", INTERRUPTED)
def test_an_interrupt_leaves_nothing_half_written(
    name: str, places: dict[str, Path], process: Burnish, store: Stores, tmp_path: Path
) -> None:
    """Ctrl-C in the middle of the work is one line and code 130; nothing half made is left."""
    command, where = INTERRUPTED[name]
    argv = [part.format(**places) for part in command.split()]
    code, out, err = process(*argv, before=SIGNAL.format(**where))
    assert (code, out) == (130, "")
    assert err.strip() == MESSAGE
    assert not list(tmp_path.iterdir())
    work = store(SD).root
    assert not [p for p in work.iterdir() if p.name.startswith(".")]


def test_a_reader_that_leaves_is_no_traceback(bundle: Bundles, tmp_path: Path) -> None:
    """Standard output closed by its reader, as by `| head -0`, ends without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "burnish", "generate", str(bundle(SD)), "a"]
    child = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=tmp_path)  # noqa: S603
    os.close(writer)
    assert child.returncode != 0
    assert "Traceback" not in child.stderr
