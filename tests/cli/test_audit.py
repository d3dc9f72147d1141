"""`burnish audit` answers what it can, says why it leaves the rest out, and refuses what is wrong."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from burnish.core.evidence import Prompt, Suite
from burnish.core.findings import Audit
from tests.audit.conftest import write_folder
from tests.cli.conftest import Burnish
from tests.conftest import DDPM, SD, STEPS, Bundles

JSON = "--json"


@pytest.fixture(autouse=True)
def _verb(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verb is there, whatever else the command line offers."""
    main = import_module("burnish.cli.main")
    monkeypatch.setattr(main, "VERBS", tuple(dict.fromkeys((*main.VERBS, "audit"))))


@pytest.fixture
def tagged(tmp_path: Path) -> Path:
    """A suite of three prompts with a typo each, which are neutral too."""
    prompts = []
    for base in ("a b", "c d", "e f"):
        prompts.append(Prompt(prompt=base, tags=("neutral",)))
        prompts.append(Prompt(prompt=base.replace(" ", ""), variant_of=base, tags=("perturbed:typo",)))
    path = tmp_path.parent / f"{tmp_path.name}-tagged.json"
    Suite(name="tagged", selection=(), confirmation=tuple(prompts), seeds=(0,)).save(path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of thirty training pictures and twenty-four held-out ones, with captions."""
    folder = tmp_path.parent / f"{tmp_path.name}-pictures"
    write_folder(folder)
    return folder


def found(out: str) -> tuple[Audit, dict[str, str]]:
    """The audit, and why each part that is left out is."""
    audit = Audit.model_validate_json(out)
    return audit, {f.part: f.left_out for f in audit.findings if f.left_out}


def test_an_audit_answers_with_a_users_own_pictures(
    burnish: Burnish, bundle: Bundles, clip: Path, tagged: Path, pictures: Path
) -> None:
    """Robustness, novelty and memorisation are answered; what nobody gave data for is left out."""
    rest = ("--judge", clip, "--suite", tagged, "--data", pictures, "--prompts", 8, JSON)
    code, out, err = burnish("audit", bundle(SD, num_inference_steps=3), "--against", bundle(SD), *rest)
    assert (code, err) == (0, "")
    audit, left_out = found(out)
    assert set(left_out) == {"bias", "membership"}
    assert "no held-out pictures of people" in left_out["bias"]
    by_part = {f.part: f for f in audit.findings}
    [typo] = by_part["robustness"].comparisons
    assert (typo.name, typo.change.n) == ("loss under typo", 3)
    assert typo.change.mean == pytest.approx(typo.optimized.mean - typo.original.mean)
    near, text = by_part["memorisation"].comparisons
    assert (near.change.n, text.change.n) == (8, 8)
    assert text.original.mean > 0
    assert (audit.data, audit.prompts, audit.seeds) == (pictures.name, 8, 1)


def test_a_bundle_against_itself_changed_nothing(
    burnish: Burnish, bundle: Bundles, clip: Path, tagged: Path, pictures: Path
) -> None:
    """Every change is 0, and none is called one."""
    rest = ("--judge", clip, "--suite", tagged, "--data", pictures, "--prompts", 4, JSON)
    _, out, _ = burnish("audit", bundle(SD), "--against", bundle(SD), *rest)
    comparisons = [c for f in found(out)[0].findings for c in f.comparisons]
    assert len(comparisons) >= 4
    assert all(c.change.mean == 0 and not c.changed for c in comparisons)


def test_a_folder_gets_both_files(burnish: Burnish, bundle: Bundles, clip: Path, tagged: Path) -> None:
    """-o leaves audit.json and audit.html; --only asks one part; people read a table."""
    rest = ("--judge", clip, "--suite", tagged, "--only", "robustness", "-o", "made/audit")
    code, out, err = burnish("audit", bundle(SD), "--against", bundle(SD), *rest)
    assert (code, err.strip().splitlines()) == (0, [err.strip()])
    assert "loss under typo, points" in out
    made = Path("made/audit")
    assert sorted(p.name for p in made.iterdir()) == ["audit.html", "audit.json"]
    audit = Audit.read(made / "audit.json")
    assert [f.part for f in audit.findings] == ["robustness"]
    assert "loss under typo" in (made / "audit.html").read_text()


def test_a_model_without_text_is_asked_what_it_can_be(
    burnish: Burnish, bundle: Bundles, clip: Path, pictures: Path
) -> None:
    """Of a model that reads none only memorisation is asked, by nearness alone."""
    rest = ("--judge", clip, "--data", pictures, "--prompts", 3, JSON)
    _, out, _ = burnish(
        "audit", bundle(DDPM), "--against", bundle(DDPM, num_inference_steps=STEPS - 1), *rest
    )
    audit, left_out = found(out)
    assert set(left_out.values()) == {"the model reads no text"}
    [memorisation] = [f for f in audit.findings if not f.left_out]
    assert [c.unit for c in memorisation.comparisons] == ["share"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ("{sd} --against {sd}", "Give --judge DIR"),
        ("nowhere --against {sd} --judge {clip}", "nowhere is no bundle"),
        ("{sd} --against nowhere --judge {clip}", "nowhere is neither"),
        ("{sd} --against {ddpm} --judge {clip}", "Take two alike"),
        ("{sd} --against {sd} --judge {clip} --only beauty", "'beauty' is no part of an audit"),
        ("{sd} --against {sd} --judge {clip} --data nowhere", "nowhere is not a directory"),
        ("{sd} --against {sd} --judge {clip} --suite nowhere.json", "nowhere.json does not exist"),
        ("{sd} --against {sd} --judge {clip} -o {clip}/config.json", "is a file. Give a folder"),
        ("{sd} --against {sd} --prompts 1", "Invalid value for '--prompts'"),
        ("{sd}", "Missing option '--against'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    argv: str, words: str, burnish: Burnish, bundle: Bundles, clip: Path, tmp_path: Path
) -> None:
    """Exit 2, the reason, and nothing written."""
    places = {"sd": bundle(SD), "ddpm": bundle(DDPM), "clip": clip}
    code, out, err = burnish("audit", *argv.format(**places).split())
    assert (code, out) == (2, "")
    assert words in err
    assert list(tmp_path.iterdir()) == []
