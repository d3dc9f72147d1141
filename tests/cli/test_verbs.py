"""Each verb does what it says: results to standard output, talk to standard error."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from burnish.core.bundle import MANIFEST, Bundle
from burnish.core.errors import BundleError
from burnish.core.evidence import Measurement, Planned, Prompt, Quality, Suite, Verdict
from burnish.core.model import ModelCard
from burnish.core.plan import Plan
from burnish.runtime import Pipeline, Request
from burnish.runtime.manifest import open_manifest
from tests import tiny_models
from tests.cli.conftest import Burnish
from tests.conftest import DDPM, DIT, SD, STEPS, Bundles, asked

JSON = "--json"


def test_generate_writes_a_picture_that_says_how_it_was_made(
    process: Burnish, bundle: Bundles, tmp_path: Path
) -> None:
    """The PNG is the runtime's picture, and carries prompt, seed and model; its path is all of the output."""
    code, out, err = process("generate", bundle(SD), "a réd apple", "--seed", 7, "-o", "apple.png")
    assert (code, out, err) == (0, "apple.png\n", "")
    assert [p.name for p in tmp_path.iterdir()] == ["apple.png"]
    expected = Pipeline(bundle(SD)).generate(Request(seeds=(7,), prompts=("a réd apple",)))[0]
    with Image.open(tmp_path / "apple.png") as image:
        assert np.array_equal(np.asarray(image), expected)
        assert image.text == {"prompt": "a réd apple", "seed": "7", "model": "stable_diffusion"}


def test_several_pictures_count_seeds_up(burnish: Burnish, bundle: Bundles, tmp_path: Path) -> None:
    """Three pictures are three files, and the third is what its own seed makes alone."""
    code, out, _ = burnish("generate", bundle(DIT), "--class-label", 3, "--seed", 7, "-n", 3, "-o", "a/p.png")
    assert (code, out) == (0, "a/p-1.png\na/p-2.png\na/p-3.png\n")
    expected = Pipeline(bundle(DIT)).generate(asked(DIT, 9))[0]
    with Image.open(tmp_path / "a" / "p-3.png") as image:
        assert np.array_equal(np.asarray(image), expected)
        assert image.text["seed"] == "9"


def test_an_image_and_a_mask_reach_the_bundle(burnish: Burnish, bundle: Bundles, tmp_path: Path) -> None:
    """What the mask does not show stays as it was in the file."""
    given = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    mask = np.zeros((32, 32), np.uint8)
    mask[:16] = 255
    Image.fromarray(given).save(tmp_path / "in.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    code, _, err = burnish(
        "generate", bundle(DDPM), "--image", "in.png", "--mask", "mask.png", "-o", "out.png"
    )
    assert (code, err) == (0, "")
    made = np.asarray(Image.open(tmp_path / "out.png"))
    assert np.array_equal(made[16:], given[16:])
    assert not np.array_equal(made[:16], given[:16])


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "the prompt is empty"),
        ("a red apple " * 9, "the prompt was cut; not read: 'apple a red apple"),
        ("a", ""),
    ],
)
def test_a_prompt_that_may_surprise_is_warned_of(
    prompt: str, words: str, burnish: Burnish, bundle: Bundles, tmp_path: Path
) -> None:
    """An empty prompt and one that was cut give one line of warning each, and a picture."""
    code, out, err = burnish("generate", bundle(SD), prompt)
    assert (code, out) == (0, "picture.png\n")
    assert (tmp_path / "picture.png").is_file()
    assert words in err
    assert len(err.splitlines()) == bool(words)


def test_bytes_that_are_no_text_are_a_prompt_too(process: Burnish, bundle: Bundles, tmp_path: Path) -> None:
    """A prompt in another encoding than the terminal's makes a picture, or is refused in one line."""
    code, _, err = process("generate", bundle(SD), "caf\udce9")
    assert "Traceback" not in err
    assert (tmp_path / "picture.png").is_file() == (code == 0)


def test_inspect_prints_the_card(
    process: Burnish, burnish: Burnish, unclipped_models: dict[str, Path]
) -> None:
    """--json is a ModelCard and nothing else; without it the table names family and digest."""
    code, out, err = process("inspect", unclipped_models[SD], JSON)
    assert (code, err) == (0, "")
    card = ModelCard.model_validate(json.loads(out))
    assert card.family == "stable-diffusion"
    code, table, _ = burnish("inspect", unclipped_models[SD])
    assert code == 0
    assert card.digest in table


def test_brackets_in_a_card_are_text(burnish: Burnish, tmp_path: Path) -> None:
    """What a stranger calls a licence is shown as it stands, brackets included."""
    model = tiny_models.unconditional(tmp_path / "model")
    (model / "README.md").write_text('---\nlicense: "[/bold] [red]free"\n---\n')
    code, table, err = burnish("inspect", model)
    assert (code, err) == (0, "")
    assert "[/bold] [red]free" in table


def test_measure_prints_measurements(burnish: Burnish, bundle: Bundles) -> None:
    """--json gives the costs of each subject by name."""
    code, out, err = burnish("measure", bundle(SD), JSON)
    assert (code, err) == (0, "")
    [row] = json.loads(out)["costs"]
    assert row.pop("name") == str(bundle(SD))
    found = Measurement.model_validate(row)
    assert (found.calls, found.passes) == (STEPS, 2 * STEPS)
    assert min(found.latency_s, found.cpu_s, found.peak_mib, found.cold_start_s, found.disk_mib) > 0
    assert found.cold_start_s > found.latency_s


def test_measure_says_how_good_a_suites_pictures_are(
    burnish: Burnish, bundle: Bundles, clip: Path, small_suite: Path
) -> None:
    """With a suite, quality stands beside the costs of both; a bundle is as near to itself as can be."""
    rest = ("--against", bundle(SD), "--suite", small_suite, "--judge", clip)
    code, out, err = burnish("measure", bundle(SD, num_inference_steps=3), *rest, JSON)
    assert (code, err) == (0, "")
    answer = json.loads(out)
    found = Quality.model_validate(answer["quality"])
    names = [row["name"] for row in answer["costs"]]
    assert names == [str(bundle(SD, num_inference_steps=3)), str(bundle(SD))]
    assert list(found.metrics) == ["broken pictures", "alignment", "PSNR", "SSIM", "feature distance"]
    assert found.metrics["PSNR"].mean < 60
    assert {i.n for i in found.metrics.values()} == {5}
    _, table, _ = burnish("measure", bundle(SD), *rest)
    assert "PSNR" in table
    _, out, _ = burnish("measure", bundle(SD), *rest, JSON)
    itself = Quality.model_validate(json.loads(out)["quality"])
    assert (itself.metrics["SSIM"].mean, itself.bundle) == (pytest.approx(1), itself.against)


@pytest.fixture
def sixty(tmp_path: Path) -> Path:
    """A suite that can decide, of a model without text: each line is other seeds."""
    prompts = tuple(Prompt(prompt=str(k)) for k in range(1, 61))
    path = tmp_path.parent / f"{tmp_path.name}-sixty.json"
    Suite(name="sixty", selection=(), confirmation=prompts, seeds=(0,)).save(path)
    return path


@pytest.mark.parametrize(("steps", "outcome", "expected"), [(STEPS, "PASS", 0), (1, "FAIL", 1)])
def test_gate_answers_by_exit_code(
    steps: int,
    outcome: str,
    expected: int,
    burnish: Burnish,
    bundle: Bundles,
    clip: Path,
    sixty: Path,
    noise_is_whole: None,
) -> None:
    """--json is a Verdict: a bundle is as good as itself, 0; one step is another picture than six, 1."""
    rest = ("--against", bundle(DDPM), "--judge", clip, "--suite", sixty, "--floor", "faithful", JSON)
    code, out, err = burnish("gate", bundle(DDPM, num_inference_steps=steps), *rest, "-o", "gate")
    found = Verdict.model_validate(json.loads(out))
    assert (err, found.prompts, found.seeds) == ("", 60, 1)
    assert (found.outcome, code) == (outcome, expected)
    assert Verdict.read(Path("gate/verdict.json")) == found
    suite = ElementTree.parse("gate/junit.xml").getroot()  # noqa: S314 - our own file
    assert (suite.find(".//failure") is not None) == (outcome == "FAIL")
    assert f"<title>{outcome}: " in Path("gate/report.html").read_text()


def test_a_pilot_says_how_many_prompts_would_decide(
    burnish: Burnish, bundle: Bundles, clip: Path, small_suite: Path
) -> None:
    """From the four selection prompts alone: 59 for what breaks, and a number for each other check."""
    rest = ("--judge", clip, "--suite", small_suite, "--floor", "faithful", "--pilot", JSON)
    code, out, _ = burnish("gate", bundle(SD), "--against", bundle(SD), *rest)
    found = Planned.model_validate(json.loads(out))
    assert (code, found.pilot, found.needed["newly broken prompts"]) == (0, 4, 59)
    assert found.needed.keys() == found.there.keys() >= {"PSNR", "SSIM", "feature distance"}
    assert set(found.there.values()) == {5}


@pytest.mark.parametrize("margin", ["", "a lot", "0 points"])
def test_a_margin_that_is_none_is_refused(margin: str, burnish: Burnish, bundle: Bundles, clip: Path) -> None:
    """One line, before anything is drawn, with how a margin is written."""
    code, out, err = burnish("gate", bundle(SD), "--against", bundle(SD), "--judge", clip, "--margin", margin)
    assert (code, out) == (2, "")
    assert "is no margin" in err
    assert "of seeds" in err


def test_gate_says_where_too_few_prompts_do_not_decide(
    burnish: Burnish, bundle: Bundles, clip: Path, small_suite: Path
) -> None:
    """Five prompts cannot bound what breaks, even of a bundle against itself: 3."""
    rest = ("--judge", clip, "--suite", small_suite, "--floor", "faithful", JSON)
    code, out, _ = burnish("gate", bundle(SD), "--against", bundle(SD), *rest)
    assert (Verdict.model_validate(json.loads(out)).outcome, code) == ("INCONCLUSIVE", 3)


def test_a_plan_is_built_without_a_search(
    burnish: Burnish, unclipped_models: dict[str, Path], tmp_path: Path
) -> None:
    """`optimize --plan` writes that plan's bundle and prints its manifest as JSON."""
    Plan(num_inference_steps=4, scheduler="UniPCMultistepScheduler").save(tmp_path / "plan.json")
    code, out, err = burnish("optimize", unclipped_models[SD], "--plan", "plan.json", "-o", "made", JSON)
    assert (code, err) == (0, "")
    assert Bundle.model_validate(json.loads(out)) == Bundle.read(tmp_path / "made" / MANIFEST)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made", "plan.json"]


def test_optimize_leaves_a_bundle_with_its_evidence(
    burnish: Burnish,
    unclipped_models: dict[str, Path],
    clip: Path,
    tmp_path: Path,
    noise_is_whole: None,
    cache: Path,
) -> None:
    """A search that ends well: PASS, costs of both sides, what it was reached on, report and sheet."""
    rest = ("--floor", "faithful", "--judge", clip, "--no-stock", "--trials", 8, "-o", "made", JSON)
    before = set(cache.rglob("notes/*/*.json"))  # searches of other tests
    code, out, err = burnish("optimize", unclipped_models[DDPM], *rest)
    assert (code, err) == (0, "")
    bundle = Bundle.model_validate(json.loads(out))
    assert bundle == Bundle.read(tmp_path / "made" / MANIFEST)
    assert bundle.verdict is not None
    assert bundle.measurement is not None
    assert bundle.original is not None
    assert (bundle.verdict.outcome, bundle.verdict.floor, bundle.verdict.prompts) == ("PASS", "faithful", 64)
    assert all(len(d) == 64 for d in (bundle.verdict.reference, bundle.verdict.suite, bundle.verdict.judge))
    assert bundle.identity == bundle.verdict.candidate == bundle.measurement.bundle
    assert set(cache.rglob("notes/*/*.json")) == before
    assert bundle.measurement.calls < bundle.original.calls
    evidence = tmp_path / "made" / "evidence"
    names = ["explored.json", "report.html", "sheet.png", "study.journal", "trials.json", "verdict.json"]
    assert sorted(p.name for p in evidence.iterdir()) == names
    assert Verdict.read(evidence / "verdict.json") == bundle.verdict
    assert [p.name for p in tmp_path.iterdir()] == ["made"]
    _evidence_belongs_to_its_bundle(tmp_path / "made", bundle)


def _evidence_belongs_to_its_bundle(made: Path, bundle: Bundle) -> None:
    """Altered evidence is refused, none is not, and a verdict cannot be moved to another bundle."""
    verdict = made / "evidence" / "verdict.json"
    verdict.write_text(verdict.read_text().replace("PASS", "FAIL"))
    with pytest.raises(BundleError, match=r"verdict.json does not match its digest"):
        open_manifest(made)
    shutil.rmtree(made / "evidence")
    assert open_manifest(made) == bundle
    other = bundle.model.model_copy(update={"scaling_factor": 0.5})
    bundle.model_copy(update={"model": other}).save(made / MANIFEST)
    with pytest.raises(BundleError, match="its verdict is of another bundle"):
        open_manifest(made)


def test_a_budget_of_memory_is_kept(
    burnish: Burnish, unclipped_models: dict[str, Path], clip: Path, tmp_path: Path
) -> None:
    """Where no plan runs in so little memory, the error says so, and nothing is written."""
    rest = ("--floor", "faithful", "--judge", clip, "--max-memory", "20MiB", *SHORT, "-o", "made")
    code, out, err = burnish("optimize", unclipped_models[DDPM], *rest)
    assert (code, out) == (2, "")
    assert "no plan is within the budget" in err
    assert not (tmp_path / "made").exists()


SHORT = ("--trials", 6, "--time-limit", "1s")  # a search of one round


@pytest.mark.parametrize("floor", ["equivalent", "faithful"])
def test_a_search_that_finds_nothing_keeps_the_old_bundle(
    floor: str, burnish: Burnish, copied: Bundles, unclipped_models: dict[str, Path], tmp_path: Path
) -> None:
    """No plan within the budget, or no judge for this model: exit 2, and what lay there before still does."""
    directory = copied(DIT)
    before = {p.name: p.read_bytes() for p in directory.iterdir()}
    rest = ("--floor", floor, "--max-latency", "0.01ms", *SHORT, "-o", directory)
    code, out, err = burnish("optimize", unclipped_models[SD], *rest)
    assert (code, out) == (2, "")
    assert {"equivalent": "Give --judge DIR", "faithful": "no plan is within"}[floor] in err
    assert {p.name: p.read_bytes() for p in directory.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == [directory.name]


def test_a_crash_is_no_verdict(
    burnish: Burnish, bundle: Bundles, monkeypatch: pytest.MonkeyPatch, clip: Path
) -> None:
    """An error that nobody foresaw exits with 70, which is no gate's answer, and shows where it came from."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("something inside")

    monkeypatch.setattr("burnish.api.decide", broken)
    code, out, err = burnish("gate", bundle(SD), "--against", bundle(SD), "--judge", clip)
    assert (code, out) == (70, "")
    assert "something inside" in err
    assert err.strip().splitlines()[-1].startswith("Error: this is a bug")
