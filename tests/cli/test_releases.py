"""The verbs about releases, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Burnish
from tests.conftest import SD, Bundles


def test_a_bundle_goes_all_the_way_and_back(burnish: Burnish, bundle: Bundles, tmp_path: Path) -> None:
    """Released, promoted, listed, rolled back, exported, imported, collected: results on standard output."""
    registry = ("--registry", f"sqlite:///{tmp_path}/registry/registry.db")
    for steps in (2, 3):
        released = burnish(
            "release", bundle(SD, num_inference_steps=steps), "--name", "tiny", "--unproven", *registry
        )
        assert released.out == f"tiny@{steps - 1}\n"
        assert (
            burnish("promote", "tiny", "--unproven", "--why", "try", *registry).out == f"tiny@{steps - 1}\n"
        )
    assert burnish("rollback", "tiny", "--by", "ann", *registry).out == "tiny@1\n"

    (listed,) = json.loads(burnish("releases", "tiny", "--json", *registry).out)["releases"]
    assert listed["aliases"] == {"stable": 1}
    assert [event["action"] for event in listed["history"]] == ["release", "promote"] * 2 + ["rollback"]
    shown = burnish("releases", *registry).out
    for word in ("tiny@1", "tiny@2", "stable", "unproven (not judged)", "ann", "try"):
        assert word in shown

    assert burnish("export", "tiny@2", "-o", "tiny.tar", *registry).out == "tiny.tar\n"
    elsewhere = ("--registry", f"sqlite:///{tmp_path}/elsewhere/registry.db")
    assert burnish("import", "tiny.tar", *elsewhere).out == "tiny@1\n"
    assert burnish("collect", "tiny", "--keep", "0", *registry).out == "tiny@2\n"


def test_what_cannot_be_is_one_line_with_its_remedy(
    burnish: Burnish, bundle: Bundles, tmp_path: Path
) -> None:
    """With its remedy; exit code 2 and nothing on standard output, for each verb."""
    registry = ("--registry", f"sqlite:///{tmp_path}/registry/registry.db")
    for argv, said in {
        ("release", bundle(SD), "--name", "tiny"): "--unproven",
        ("release", bundle(SD), "--name", "tiny@3"): "Leave out the version",
        ("release", tmp_path, "--name", "tiny"): "is no bundle",
        ("releases", "tiny"): "nothing is released yet",
        ("promote", "tiny@1"): "nothing is released yet",
        ("rollback", "tiny"): "nothing is released yet",
        ("collect", "tiny"): "nothing is released yet",
        ("export", "tiny@1", "-o", "x.tar"): "nothing is released yet",
        ("import", "x.tar"): "does not exist",
    }.items():
        code, out, err = burnish(*argv, *registry)
        assert (code, out) == (2, "")
        assert said in err
        assert err.count("\n") == 1
