"""The judge against transformers' own way of doing the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from burnish.core.errors import ModelError, SuiteError
from burnish.measure.judge import Judge, open_judge
from burnish.measure.judges import encoder
from tests.load.damage import Damage, edit, link, remove, write

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


def test_a_judge_is_named_by_all_that_makes_its_features(clip: Path, judge: Judge, tmp_path: Path) -> None:
    """The same weights behind other preprocessing are another judge; a copy elsewhere is the same."""
    other = Path(shutil.copytree(clip, tmp_path / "other"))
    assert open_judge(other).digest == judge.digest
    edit("preprocessor_config.json", image_mean=[0.1, 0.2, 0.3])(other)
    assert open_judge(other).digest != judge.digest


def test_batches_change_nothing(judge: Judge, icons: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features in batches of five, the last one short, are those of one batch."""
    whole = judge.image_features(icons[:12]), judge.text_features(PROMPTS * 4)
    monkeypatch.setattr(encoder, "BATCH", 5)
    assert judge.image_features(icons[:12]) == pytest.approx(whole[0], abs=1e-5)
    assert judge.text_features(PROMPTS * 4) == pytest.approx(whole[1], abs=1e-5)


def test_a_processor_saved_whole_is_read_too(clip: Path, judge: Judge, tmp_path: Path) -> None:
    """processor_config.json with the image processor inside says the same as preprocessor_config.json."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    inner = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    assert open_judge(copy).preprocessing == judge.preprocessing


@pytest.mark.parametrize("shards", [False, True])
def test_a_whole_saved_processor_and_shards_open(shards: bool, clip: Path, tmp_path: Path) -> None:
    """What CLIPProcessor and CLIPModel save, in one file or in several, is the same model."""
    model = CLIPModel.from_pretrained(clip)
    model.save_pretrained(tmp_path / "saved", max_shard_size="10KB" if shards else "1GB")
    images, words = CLIPImageProcessor.from_pretrained(clip), CLIPTokenizer.from_pretrained(clip)
    CLIPProcessor(images, words).save_pretrained(tmp_path / "saved")
    weights = sorted((tmp_path / "saved").glob("*.safetensors"))
    judge, plain = open_judge(tmp_path / "saved"), open_judge(clip)
    assert (len(weights) > 1) == shards
    assert np.array_equal(judge.text_features(PROMPTS), plain.text_features(PROMPTS))


def test_the_embedded_judge_opens() -> None:
    """The icons judge, kept in float16, passes the checks."""
    models = Path(encoder.__file__).parents[2] / "models"
    assert open_judge(models / "icons-judge").dimension == 128


def test_a_link_to_the_directory_and_old_buffers_are_no_fault(
    clip: Path, judge: Judge, tmp_path: Path
) -> None:
    """A judge given by a link, with a buffer as older checkpoints have, has the features of the plain one."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    add("text_model.embeddings.position_ids", np.arange(16)[None])(copy)
    (tmp_path / "link").symlink_to(copy)
    opened = open_judge(tmp_path / "link")
    assert np.array_equal(opened.text_features(PROMPTS), judge.text_features(PROMPTS))


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> Damage:
    """Changes the tensors of a judge."""

    def damage(path: Path) -> None:
        tensors = load_file(path / "model.safetensors")
        change(tensors)
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})

    return damage


def add(key: str, tensor: np.ndarray) -> Damage:
    """Puts a tensor in or in place of another."""
    return weights(lambda tensors: tensors.update({key: tensor}))


def only_text(tensors: dict[str, np.ndarray]) -> None:
    """Leaves the text encoder alone."""
    for key in [k for k in tensors if not k.startswith("text_model.")]:
        del tensors[key]


def sub_config(part: str, **keys: object) -> Damage:
    """Sets keys of text_config or vision_config."""

    def damage(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        edit("config.json", **{part: config[part] | keys})(path)

    return damage


LAYER = "text_model.encoder.layers.0.mlp.fc1.bias"
CODE = ["auto_map", "trust_remote_code", "quantization_config", "_attn_implementation", "attn_implementation"]
REFUSED = [
    *((key, edit("config.json", **{key: "flash/attention"})) for key in CODE),
    ("quantization_config", sub_config("text_config", quantization_config={"quant_method": "gptq"})),
    ("auto_map", edit("tokenizer_config.json", auto_map={"AutoTokenizer": ["words.Words", None]})),
    ("auto_map", edit("preprocessor_config.json", auto_map={"AutoImageProcessor": "look.Look"})),
    ("transformers_weights", edit("config.json", transformers_weights="sub/other.safetensors")),
    ("fusion_config", sub_config("vision_config", fusion_config={"patch_embeddings": True})),
    ("attribute_map", sub_config("text_config", attribute_map={"hidden_size": "other"})),
    ("fast_tokenizer_files", edit("tokenizer_config.json", fast_tokenizer_files=["../tokenizer.4.0.json"])),
    ("vocab", edit("tokenizer_config.json", vocab="/etc/passwd")),
    ("tokenizer_file", write("special_tokens_map.json", b'{"tokenizer_file": "/etc/passwd"}')),
    ("modeling_clip.py", write("modeling_clip.py")),
    ("pytorch_model.bin", write("pytorch_model.bin")),
    ("adapter_config.json", write("adapter_config.json", b"{}")),
    ("notes.txt", link("notes.txt", "/etc/hostname")),
    ("the weights lack", weights(only_text)),
    (f"the weights lack {LAYER}", weights(lambda tensors: tensors.pop(LAYER))),
    (LAYER, add(LAYER, np.zeros(31, dtype=np.float32))),
    ("unexpected keys", add(LAYER.replace("0", "1"), np.zeros(32, dtype=np.float32))),
    (f"{LAYER} holds a number", add(LAYER, np.full(32, np.nan, dtype=np.float32))),
    ("outside", sub_config("text_config", hidden_size=1 << 30)),
    ("position_embedding", sub_config("text_config", max_position_embeddings=65536)),
    ("visual_projection.weight", edit("config.json", projection_dim=1 << 40)),
    ("CLIPConfig cannot be made", sub_config("text_config", hidden_size="wide")),
    ("CLIPModel cannot be made", sub_config("vision_config", hidden_act="magic")),
    ("model_type is 'bert', which is none of clip, siglip", edit("config.json", model_type="bert")),
    ("model_type is ['clip']", edit("config.json", model_type=["clip"])),
    ("vocab_size 50", sub_config("text_config", vocab_size=50)),
    ("CLIPTokenizer cannot be made", write("tokenizer.json", b'{"model": 1, "added_tokens": []}')),
    (
        "tokenizer_class is 'XLMRobertaTokenizer'",
        edit("tokenizer_config.json", tokenizer_class="XLMRobertaTokenizer"),
    ),
    ("neither tokenizer.json", remove("merges.txt")),
    ("neither tokenizer.json", remove("vocab.json")),
    ("pictures of 16 pixels", edit("preprocessor_config.json", crop_size=16)),
    ("pictures of 224 pixels", edit("preprocessor_config.json", size=256, crop_size=224)),
    ("crop_size is 48 pixels", edit("preprocessor_config.json", crop_size=48)),
    ("not square", edit("preprocessor_config.json", do_center_crop=False)),
    ("do_center_crop is None", edit("preprocessor_config.json", do_center_crop=None)),
    ("do_resize is False", edit("preprocessor_config.json", do_resize=False)),
    ("do_normalize is False", edit("preprocessor_config.json", do_normalize=False)),
    ("rescale_factor is 1", edit("preprocessor_config.json", rescale_factor=1.0)),
    ("resample is 0", edit("preprocessor_config.json", resample=0)),
    ("no usable size", edit("preprocessor_config.json", size=1 << 30)),
    ("no usable size", edit("preprocessor_config.json", size={"height": 32, "width": 64})),
    ("no usable size", edit("preprocessor_config.json", size=None)),
    ("not finite", edit("preprocessor_config.json", image_std=[0, 1, 1])),
    ("not finite", edit("preprocessor_config.json", image_mean=["nan"] * 3)),
    ("no usable image_mean", edit("preprocessor_config.json", image_mean=[10**400, 0, 0])),
    ("a text's features cannot be made", sub_config("text_config", eos_token_id=None)),
    ("a text's features cannot be made", edit("tokenizer_config.json", model_input_names=["foo"])),
    ("preprocessor_config.json is missing", remove("preprocessor_config.json")),
    ("config.json is missing", remove("config.json")),
    ("model.safetensors is missing", remove("model.safetensors")),
    ("not readable JSON", write("config.json", b'{"model_type": ')),
    ("not readable JSON", write("preprocessor_config.json", b'{"size": ')),
    ("model.safetensors: ", write("model.safetensors", b"short")),
    ("extra.safetensors: ", write("extra.safetensors", b"short")),
    ("both model.safetensors and", write("model.safetensors.index.json", b'{"weight_map": {}}')),
]


@pytest.mark.parametrize(
    ("words", "damage"), REFUSED, ids=[f"{k}-{words}" for k, (words, _) in enumerate(REFUSED)]
)
def test_a_judge_that_is_not_to_be_trusted_is_refused(
    words: str, damage: Damage, clip: Path, tmp_path: Path
) -> None:
    """ModelError names the directory, what is wrong in it, and a remedy."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    damage(copy)
    with pytest.raises(ModelError) as caught:
        open_judge(copy)
    assert caught.value.problem.startswith(f"the judge {copy}: ")
    assert words in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["nothing", "file", "loop"])
def test_what_is_no_directory_is_refused(name: str, tmp_path: Path) -> None:
    """A path that leads nowhere, to a file or in a circle raises ModelError."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ModelError, match="is not a directory"):
        open_judge(tmp_path / name)


def test_a_file_that_cannot_be_read_is_refused(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An OSError becomes a ModelError that names the file."""

    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", deny)
    with pytest.raises(ModelError, match="json cannot be read: Permission denied"):
        open_judge(clip)


@pytest.mark.parametrize("kind", ["missing_keys", "mismatched_keys"])
def test_weights_that_transformers_did_not_take_are_refused(
    kind: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of transformers that reads names in another way leaves no weight at random."""
    load = CLIPModel.from_pretrained

    def report(*args: object, **options: object) -> tuple[object, dict[str, set[str]]]:
        model, loaded = load(*args, **options)
        return model, loaded | {kind: {"logit_scale"}}

    monkeypatch.setattr(CLIPModel, "from_pretrained", report)
    with pytest.raises(ModelError, match=f"{kind.replace('_', ' ')}, as logit_scale"):
        open_judge(clip)


def test_a_judge_that_changes_while_it_is_opened_is_refused(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file written between its check and its use raises ModelError."""
    copy, load = Path(shutil.copytree(clip, tmp_path / "copy")), CLIPTokenizer.from_pretrained

    def late(*args: object, **options: object) -> object:
        (copy / "README.md").write_text("late")
        return load(*args, **options)

    monkeypatch.setattr(CLIPTokenizer, "from_pretrained", late)
    with pytest.raises(ModelError, match="changed while it was opened"):
        open_judge(copy)


def test_pictures_must_be_uint8(judge: Judge, icons: np.ndarray) -> None:
    """Float pictures raise SuiteError instead of being scaled twice."""
    with pytest.raises(SuiteError):
        judge.image_features(icons[:1].astype(np.float32))


def test_importing_the_gate_does_not_import_torch() -> None:
    """torch, transformers and scikit-image are imported by what needs them, when it is called."""
    code = "import sys, burnish.measure.gate; print({'torch', 'transformers', 'skimage'} & {*sys.modules})"
    source = str(Path(encoder.__file__).parents[3])
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert done.stdout.strip() == "set()"
