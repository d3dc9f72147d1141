"""The judge against transformers' own way of doing the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

from burnish.core.errors import ModelError, SuiteError
from burnish.measure import judge as judge_module
from burnish.measure.judge import Judge, open_judge

PROMPTS = ["a red apple", "b", "a very long prompt of many many letters that does not fit"]


@pytest.mark.parametrize("shape", [(64, 64), (16, 16), (32, 32), (40, 90), (90, 41)])
def test_pictures_are_prepared_as_transformers_prepares_them(
    shape: tuple[int, int], clip: Path, judge: Judge
) -> None:
    """Any size reaches the model as CLIPImageProcessor would bring it."""
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3)).astype(np.uint8)
    processor = CLIPImageProcessor.from_pretrained(clip)
    expected = processor(list(images), return_tensors="np")["pixel_values"]
    assert judge.preprocessing(images) == pytest.approx(expected, abs=1e-5)


def test_features_are_the_models_own_with_norm_one(clip: Path, judge: Judge, icons: np.ndarray) -> None:
    """100 x dot product of both features is CLIPModel's cosine, for cut prompts too."""
    model, tokenizer = CLIPModel.from_pretrained(clip), CLIPTokenizer.from_pretrained(clip)
    tokens = tokenizer(PROMPTS, padding=True, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        out = model(pixel_values=torch.from_numpy(judge.preprocessing(icons[:5])), **tokens)
    scale = model.logit_scale.exp().item()
    images, text = judge.image_features(icons[:5]), judge.text_features(PROMPTS)
    assert images.dtype == text.dtype == np.float32
    assert np.linalg.norm(images, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert images @ text.T == pytest.approx(out.logits_per_image.numpy() / scale, abs=1e-5)


def test_batches_change_nothing(judge: Judge, icons: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features in batches of five, the last one short, are those of one batch."""
    whole = judge.image_features(icons[:12]), judge.text_features(PROMPTS * 4)
    monkeypatch.setattr(judge_module, "BATCH", 5)
    assert judge.image_features(icons[:12]) == pytest.approx(whole[0], abs=1e-5)
    assert judge.text_features(PROMPTS * 4) == pytest.approx(whole[1], abs=1e-5)


def test_a_processor_saved_whole_is_read_too(clip: Path, judge: Judge, tmp_path: Path) -> None:
    """processor_config.json with the image processor inside says the same as preprocessor_config.json."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    inner = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    assert open_judge(copy).preprocessing == judge.preprocessing


@pytest.mark.parametrize(
    "file",
    ["config.json", "preprocessor_config.json", "model.safetensors"],
)
def test_a_damaged_judge_is_refused(file: str, clip: Path, tmp_path: Path) -> None:
    """A missing or truncated file raises ModelError."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    data = (copy / file).read_bytes()
    (copy / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError):
        open_judge(copy)
    (copy / file).unlink()
    with pytest.raises(ModelError):
        open_judge(copy)


def test_what_is_no_clip_is_refused(clip: Path, tmp_path: Path) -> None:
    """Another model type, or a preprocessor without a size, raises ModelError."""
    for file, content in (("config.json", {"model_type": "bert"}), ("preprocessor_config.json", {})):
        copy = Path(shutil.copytree(clip, tmp_path / file))
        (copy / file).write_text(json.dumps(content))
        with pytest.raises(ModelError):
            open_judge(copy)


def test_pictures_must_be_uint8(judge: Judge, icons: np.ndarray) -> None:
    """Float pictures raise SuiteError instead of being scaled twice."""
    with pytest.raises(SuiteError):
        judge.image_features(icons[:1].astype(np.float32))


def test_importing_the_gate_does_not_import_torch() -> None:
    """torch, transformers and scikit-image are imported by what needs them, when it is called."""
    code = "import sys, burnish.measure.gate; print({'torch', 'transformers', 'skimage'} & {*sys.modules})"
    source = str(Path(judge_module.__file__).parents[2])
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "set()"
