"""SigLIP judges and DINOv2 features against transformers' own way of doing the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BitImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from burnish.core.errors import ModelError
from burnish.measure.judge import Encoder, Judge, open_features, open_judge
from burnish.measure.judges.families import canonical
from tests.load.damage import Damage, edit, link, remove, write

SIDE, TOKENS = 28, 12
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "apple", "it's", "its"]
PROMPTS = ["A red apple", "apple, red!", "its", "a " * 40]


def write_siglip(path: Path) -> Path:
    """A random SiglipModel (16 features, 28 pixels) whose tokenizer knows a few words."""
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    vocab = {word: k for k, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token=special["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(path)
    small = SMALL | {"intermediate_size": 32}
    text = {"vocab_size": len(WORDS), "max_position_embeddings": TOKENS}
    config = SiglipConfig(
        text_config=small | text | {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0},
        vision_config=small | {"image_size": SIDE, "patch_size": 7},
    )
    torch.manual_seed(0)
    SiglipModel(config).save_pretrained(path)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(path)
    return path


def write_dinov2(path: Path, registers: bool = False, **changes: object) -> Path:
    """A random DINOv2 (16 features), trained for 42 pixels and given 28, as DINOv2 is given 224 for 518."""
    config, model = (
        (Dinov2WithRegistersConfig, Dinov2WithRegistersModel) if registers else (Dinov2Config, Dinov2Model)
    )
    torch.manual_seed(1)
    model(config(**SMALL, mlp_ratio=2, image_size=42, patch_size=7, **changes)).save_pretrained(path)
    BitImageProcessor(
        size={"shortest_edge": 32},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny SigLIP."""
    return write_siglip(tmp_path_factory.mktemp("siglip") / "siglip")


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tiny DINOv2."""
    return write_dinov2(tmp_path_factory.mktemp("dinov2") / "dinov2")


@pytest.fixture(scope="module")
def judge(siglip: Path) -> Judge:
    """The tiny SigLIP, opened."""
    return open_judge(siglip)


@pytest.fixture(scope="module")
def encoder(dinov2: Path) -> Encoder:
    """The tiny DINOv2, opened."""
    return open_features(dinov2)


def unit(rows: torch.Tensor) -> np.ndarray:
    """Rows of norm 1."""
    return torch.nn.functional.normalize(rows, dim=-1).numpy()


@pytest.mark.parametrize("shape", [(64, 64), (16, 16), (28, 28), (40, 90), (90, 41), (33, 28)])
@pytest.mark.parametrize("resample", [2, 3])
def test_pictures_are_prepared_as_each_processor_prepares_them(
    shape: tuple[int, int], resample: int, siglip: Path, dinov2: Path, tmp_path: Path
) -> None:
    """SigLIP's are squeezed into a square, DINOv2's resized and cropped, with the filter of their file."""
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3)).astype(np.uint8)
    for path, processor_class in ((siglip, SiglipImageProcessor), (dinov2, BitImageProcessor)):
        copy = Path(shutil.copytree(path, tmp_path / path.name))
        edit("preprocessor_config.json", resample=resample)(copy)
        expected = processor_class.from_pretrained(copy)(list(images), return_tensors="np")["pixel_values"]
        assert expected.shape == (2, 3, SIDE, SIDE)
        assert open_features(copy).preprocessing(images) == pytest.approx(expected, abs=1e-5)


def test_siglip_features_are_the_models_own(siglip: Path, judge: Judge, icons: np.ndarray) -> None:
    """Both features are those of get_image_features and get_text_features, padded to the full length."""
    model = SiglipModel.from_pretrained(siglip)
    words = PreTrainedTokenizerFast.from_pretrained(siglip)
    tokens = words(PROMPTS, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt")
    pixels = torch.from_numpy(judge.preprocessing(icons[:5]))
    with torch.no_grad():
        text = model.get_text_features(input_ids=tokens.input_ids).pooler_output
        image = model.get_image_features(pixel_values=pixels).pooler_output
    assert tokens.input_ids.shape == (4, TOKENS)
    assert judge.text_features(PROMPTS) == pytest.approx(unit(text), abs=1e-5)
    assert judge.image_features(icons[:5]) == pytest.approx(unit(image), abs=1e-5)
    assert np.linalg.norm(judge.text_features(PROMPTS), axis=1) == pytest.approx(1.0, abs=1e-5)
    assert (judge.dimension, judge.tokens) == (16, TOKENS)


def test_a_prompt_has_the_same_siglip_features_in_any_company(judge: Judge) -> None:
    """The features of a short prompt do not change with how long another of its batch is."""
    together = judge.text_features(PROMPTS)
    alone = np.concatenate([judge.text_features([prompt]) for prompt in PROMPTS])
    assert alone == pytest.approx(together, abs=1e-5)


def test_siglip_prompts_lose_what_its_training_texts_had_lost(siglip: Path, tmp_path: Path) -> None:
    """SiglipTokenizer's prompts lose capitals and punctuation, Gemma's lose capitals alone."""
    copy = Path(shutil.copytree(siglip, tmp_path / "copy"))
    features = {}
    for name in ("SiglipTokenizer", "GemmaTokenizer"):
        edit("tokenizer_config.json", tokenizer_class=name)(copy)
        features[name] = open_judge(copy).text_features(["Red  APPLE", "red apple", "it's", "its"])
    for rows in features.values():
        assert rows[0] == pytest.approx(rows[1], abs=1e-6)
    siglip1, gemma = features["SiglipTokenizer"], features["GemmaTokenizer"]
    assert siglip1[2] == pytest.approx(siglip1[3], abs=1e-6)
    assert np.abs(gemma[2] - gemma[3]).max() > 1e-3
    assert canonical(" It's  RED-hot! ") == "its redhot"


@pytest.mark.parametrize("changes", [{}, {"registers": True}, {"use_swiglu_ffn": True}])
def test_dinov2_features_are_the_class_token(
    changes: dict[str, object], tmp_path: Path, icons: np.ndarray
) -> None:
    """With registers and gated layers too, features are the pooler_output of transformers' model."""
    path = write_dinov2(tmp_path / "model", **changes)
    model = (Dinov2WithRegistersModel if "registers" in changes else Dinov2Model).from_pretrained(path)
    encoder = open_features(path)
    with torch.no_grad():
        out = model(torch.from_numpy(encoder.preprocessing(icons[:5])))
    assert encoder.image_features(icons[:5]) == pytest.approx(unit(out.pooler_output), abs=1e-5)
    assert out.pooler_output.numpy() == pytest.approx(out.last_hidden_state[:, 0].numpy())
    assert encoder.dimension == 16
    assert not isinstance(encoder, Judge)


def test_a_judge_is_an_encoder_of_its_own_pictures(clip: Path, siglip: Path, icons: np.ndarray) -> None:
    """open_features gives a CLIP's or SigLIP's image features and digest, and asks for no tokenizer."""
    for path in (clip, siglip):
        encoder, judge = open_features(path), open_judge(path)
        assert np.array_equal(encoder.image_features(icons[:3]), judge.image_features(icons[:3]))
        assert encoder.digest == judge.digest


def test_features_need_no_tokenizer(clip: Path, tmp_path: Path) -> None:
    """A directory without one gives features and is no judge."""
    copy = Path(shutil.copytree(clip, tmp_path / "copy"))
    (copy / "merges.txt").unlink()
    assert open_features(copy).dimension == 8
    with pytest.raises(ModelError, match="neither tokenizer"):
        open_judge(copy)


def test_encoders_differ_by_digest(encoder: Encoder, judge: Judge, dinov2: Path, tmp_path: Path) -> None:
    """Other preprocessing makes another encoder, a copy elsewhere the same."""
    copy = Path(shutil.copytree(dinov2, tmp_path / "copy"))
    assert open_features(copy).digest == encoder.digest != judge.digest
    edit("preprocessor_config.json", resample=2)(copy)
    assert open_features(copy).digest != encoder.digest


def test_an_encoder_that_reads_no_text_is_no_judge(dinov2: Path) -> None:
    """The error says which families can judge."""
    with pytest.raises(ModelError, match=r"model_type is 'dinov2', which is none of clip, siglip\."):
        open_judge(dinov2)


def test_an_unknown_family_is_told_which_are_taken(dinov2: Path, tmp_path: Path) -> None:
    """All families that give features are listed."""
    copy = Path(shutil.copytree(dinov2, tmp_path / "copy"))
    edit("config.json", model_type="vit")(copy)
    with pytest.raises(ModelError, match="clip, siglip, dinov2, dinov2_with_registers"):
        open_features(copy)


def sub_config(part: str, **keys: object) -> Damage:
    """Sets keys of text_config or vision_config."""

    def damage(path: Path) -> None:
        config = json.loads((path / "config.json").read_text())
        edit("config.json", **{part: config[part] | keys})(path)

    return damage


def one_number_a_text(path: Path) -> None:
    """Text features of one number, which would fill the rows that they are written to."""
    sub_config("text_config", projection_size=1)(path)
    tensors = load_file(path / "model.safetensors")
    for key in ("text_model.head.weight", "text_model.head.bias"):
        tensors[key] = tensors[key][:1]
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})


BOTH = [
    ("auto_map", edit("config.json", auto_map={"AutoModel": "evil.Model"})),
    ("attn_implementation", edit("config.json", attn_implementation="flash/attention")),
    ("auto_map", edit("preprocessor_config.json", auto_map={"AutoImageProcessor": "look.Look"})),
    ("modeling_evil.py", write("modeling_evil.py")),
    ("pytorch_model.bin", write("pytorch_model.bin")),
    ("notes.txt", link("notes.txt", "/etc/hostname")),
    ("model.safetensors is missing", remove("model.safetensors")),
    ("model.safetensors: ", write("model.safetensors", b"short")),
    ("preprocessor_config.json is missing", remove("preprocessor_config.json")),
    ("not finite", edit("preprocessor_config.json", image_std=[0, 1, 1])),
    ("crop_size is 48 pixels", edit("preprocessor_config.json", do_center_crop=True, crop_size=48)),
    ("do_rescale is False", edit("preprocessor_config.json", do_rescale=False)),
]
SIGLIP = [
    *BOTH,
    ("the weights hold text_model.head", sub_config("text_config", projection_size=1)),
    ("features are (1, 1), not (1, 16)", one_number_a_text),
    ("outside", sub_config("vision_config", num_hidden_layers=1 << 20)),
    ("the weights lack text_model.encoder.layers.2", sub_config("text_config", num_hidden_layers=3)),
    ("unexpected keys", sub_config("vision_config", num_hidden_layers=1)),
    ("the weights hold text_model.embeddings.position", sub_config("text_config", max_position_embeddings=9)),
    ("image_size 21", sub_config("vision_config", image_size=21)),
    ("not square", edit("preprocessor_config.json", size={"shortest_edge": SIDE})),
    ("no usable size", edit("preprocessor_config.json", size={"height": SIDE, "width": 2 * SIDE})),
    ("no tokenizer.json", remove("tokenizer.json")),
    ("tokenizer_class is 'CLIPTokenizer'", edit("tokenizer_config.json", tokenizer_class="CLIPTokenizer")),
    ("tokenizer_class is ['a']", edit("tokenizer_config.json", tokenizer_class=["a"])),
    ("vocab_size 7", sub_config("text_config", vocab_size=7)),
    ("cannot be made", edit("tokenizer_config.json", pad_token=None)),
]
DINOV2 = [
    *BOTH,
    ("outside", edit("config.json", hidden_size=1 << 30)),
    ("the weights hold", edit("config.json", mlp_ratio=1 << 20)),
    (
        "the weights lack encoder.layer.2.attention.attention.key.bias",
        edit("config.json", num_hidden_layers=3),
    ),
    ("unexpected keys", edit("config.json", num_hidden_layers=1, out_features=None, out_indices=None)),
    ("the weights hold embeddings.position_embeddings", edit("config.json", image_size=49)),
    ("patch_size 7", edit("preprocessor_config.json", crop_size=24)),
    ("the weights hold embeddings.patch_embeddings", edit("config.json", num_channels=1)),
]


@pytest.mark.parametrize(("words", "damage"), SIGLIP, ids=[f"{k}-{w}" for k, (w, _) in enumerate(SIGLIP)])
def test_a_damaged_siglip_is_refused(words: str, damage: Damage, siglip: Path, tmp_path: Path) -> None:
    """ModelError names the directory, what is wrong in it, and a remedy."""
    copy = Path(shutil.copytree(siglip, tmp_path / "copy"))
    damage(copy)
    with pytest.raises(ModelError) as caught:
        open_judge(copy)
    assert caught.value.problem.startswith(f"the judge {copy}: ")
    assert words in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(("words", "damage"), DINOV2, ids=[f"{k}-{w}" for k, (w, _) in enumerate(DINOV2)])
def test_a_damaged_dinov2_is_refused(words: str, damage: Damage, dinov2: Path, tmp_path: Path) -> None:
    """The same checks hold for it, by the names that its files have."""
    copy = Path(shutil.copytree(dinov2, tmp_path / "copy"))
    damage(copy)
    with pytest.raises(ModelError) as caught:
        open_features(copy)
    assert caught.value.problem.startswith(f"the encoder {copy}: ")
    assert words in caught.value.problem
    assert caught.value.remedy


def test_an_encoder_that_changes_while_it_is_opened_is_refused(
    siglip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file written between its check and its use raises ModelError, whatever the family."""
    copy, load = Path(shutil.copytree(siglip, tmp_path / "copy")), SiglipModel.from_pretrained

    def late(*args: object, **options: object) -> object:
        (copy / "README.md").write_text("late")
        return load(*args, **options)

    monkeypatch.setattr(SiglipModel, "from_pretrained", late)
    with pytest.raises(ModelError, match="changed while it was opened"):
        open_features(copy)


@pytest.mark.parametrize("family", ["clip", "siglip", "dinov2"])
def test_weights_that_transformers_did_not_take_are_refused(
    family: str, clip: Path, siglip: Path, dinov2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No weight of any family is left at random."""
    path, model = {
        "clip": (clip, CLIPModel),
        "siglip": (siglip, SiglipModel),
        "dinov2": (dinov2, Dinov2Model),
    }[family]
    load = model.from_pretrained

    def report(*args: object, **options: object) -> tuple[object, dict[str, set[str]]]:
        found, loaded = load(*args, **options)
        return found, loaded | {"missing_keys": {"layernorm.bias"}}

    monkeypatch.setattr(model, "from_pretrained", report)
    with pytest.raises(ModelError, match="missing keys, as layernorm"):
        open_features(path)
