"""A model directory is hostile until checked."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from burnish.core.errors import ModelError
from burnish.load import check_directory, directory, open_model
from burnish.load.directory import check_unchanged
from tests.load.conftest import Copy
from tests.load.damage import UNET, Damage, cut, edit, header, link, poison, remove, shard, write

SD, DDPM, DIT = "stable_diffusion", "unconditional", "class_conditional"
INDEX = "model_index.json"
DEEP = b'{"a":' * 100 + b"1" + b"}" * 100


def _first(tree: dict[str, Any]) -> dict[str, Any]:
    return next(entry for name, entry in tree.items() if name != "__metadata__")


def _names(tree: dict[str, Any]) -> list[str]:
    return sorted((n for n in tree if n != "__metadata__"), key=lambda n: tree[n]["data_offsets"])


def _gap(tree: dict[str, Any]) -> None:
    tree.pop(_names(tree)[1])


def _overlap(tree: dict[str, Any]) -> None:
    tree["again"] = _first(tree)


FILES: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    **{
        f"weights {suffix}": (
            SD,
            write(f"unet/weights{suffix}"),
            (f"unet/weights{suffix}", "Convert it to safe"),
        )
        for suffix in (
            ".bin",
            ".pt",
            ".pth",
            ".ckpt",
            ".pkl",
            ".pickle",
            ".npy",
            ".npz",
            ".h5",
            ".onnx",
            ".BIN",
        )
    },
    "unknown file": (SD, write("unet/weights.weird"), ("unet/weights.weird", "Delete it")),
    "no suffix": (SD, write("unet/weights"), ("unet/weights", "Delete it")),
    "python": (SD, write("unet/model.py"), ("unet/model.py", "runs no code")),
    "deep python": (SD, write("docs/a/b/c.py"), ("docs/a/b/c.py", "runs no code")),
    "shared object": (SD, write("vae/x.so"), ("vae/x.so", "runs no code")),
    "adapter": (
        SD,
        write("text_encoder/adapter_config.json", b"{}"),
        ("adapter_config.json", "another model"),
    ),
    "link out": (SD, link("unet/notes.txt", "/etc/passwd"), ("unet/notes.txt", "link", "Copy the file")),
    "link up": (SD, link("notes", "../.."), ("notes", "link")),
    "broken link": (SD, link("unet/x.json", "nowhere.json"), ("unet/x.json", "link")),
    "link to itself": (SD, link("unet/x.json", "x.json"), ("unet/x.json", "link")),
    "pipe": (SD, lambda p: os.mkfifo(p / "pipe.json"), ("pipe.json", "neither a file")),
    "no index": (SD, remove(INDEX), (INDEX, "single-file checkpoint")),
    "no config": (SD, remove("vae/config.json"), ("vae/config.json", "missing")),
    "no weights": (SD, remove(UNET), (UNET, "missing", "safe_serialization")),
    "no vocabulary": (
        SD,
        lambda p: (remove("tokenizer/tokenizer.json")(p), remove("tokenizer/merges.txt")(p)),
        ("tokenizer", "merges.txt"),
    ),
}

JSON: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    "custom_pipeline": (SD, edit(INDEX, custom_pipeline="x/y"), (INDEX, "custom_pipeline", "Remove the key")),
    "auto_map": (SD, edit("text_encoder/config.json", auto_map={}), ("text_encoder/config.json", "auto_map")),
    "deep auto_map": (
        SD,
        edit("unet/config.json", a=[{"b": {"auto_map": 1}}]),
        ("unet/config.json", "auto_map"),
    ),
    "trust": (SD, edit("vae/config.json", trust_remote_code=True), ("vae/config.json", "trust_remote_code")),
    "unread trust": (
        SD,
        write("notes.json", b'{"trust_remote_code": 1}'),
        ("notes.json", "trust_remote_code"),
    ),
    "kernel": (SD, edit("text_encoder/config.json", _attn_implementation_internal="x/y"), ("kernel",)),
    "quantised": (SD, edit("unet/config.json", quantization_config={}), ("quantization_config",)),
    "deep": (SD, write("unet/config.json", DEEP), ("unet/config.json", "nested deeper")),
    "very deep": (SD, write("unet/config.json", b"[" * 200_000), ("unet/config.json", "JSON")),
    "large": (SD, write("x.json", b"{" + b" " * (17 << 20) + b"}"), ("x.json", "larger than")),
    "array": (SD, write("unet/config.json", b"[]"), ("unet/config.json", "not a JSON object")),
    "not JSON": (SD, write("unet/config.json", b"{"), ("unet/config.json", "not readable JSON")),
    "not UTF-8": (SD, write("unet/config.json", b'{"\xff": 1}'), ("unet/config.json", "not readable JSON")),
    "not a number": (SD, write("unet/config.json", b'{"a": NaN}'), ("unet/config.json", "NaN")),
    "infinite": (SD, write("unet/config.json", b'{"a": 1e999}'), ("unet/config.json", "1e999")),
    "key twice": (SD, write("unet/config.json", b'{"a": 1, "a": 2}'), ("unet/config.json", "twice")),
    "too many layers": (
        SD,
        edit("unet/config.json", layers_per_block=10**9),
        ("layers_per_block", "outside"),
    ),
    "too many layers up": (
        SD,
        edit("unet/config.json", reverse_transformer_layers_per_block=[[10**9], 1]),
        ("reverse_transformer_layers_per_block", "outside"),
    ),
    "too long": (SD, edit("unet/config.json", block_out_channels=[8] * 65), ("block_out_channels", "65")),
    "text as size": (SD, edit("unet/config.json", in_channels="4"), ("unet/config.json", "in_channels")),
}

CLASSES: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    "pipeline": (
        SD,
        edit(INDEX, _class_name="WanPipeline"),
        ("WanPipeline", "StableDiffusionPipeline", "DiT"),
    ),
    "pipeline file": (SD, edit(INDEX, _class_name=["pipeline", "P"]), ("_class_name", "Supported")),
    "library": (SD, edit(INDEX, unet=["evil", "UNet2DConditionModel"]), ("unet", "'evil'", "only diffusers")),
    "path as library": (SD, edit(INDEX, unet=["diffusers.x", "UNet2DConditionModel"]), ("diffusers.x",)),
    "class": (SD, edit(INDEX, unet=["diffusers", "UNet3DConditionModel"]), ("UNet3DConditionModel", "unet")),
    "function": (SD, edit(INDEX, scheduler=["diffusers", "is_torch_available"]), ("is_torch_available",)),
    "no scheduler": (SD, edit(INDEX, scheduler=["diffusers", "UNet2DModel"]), ("scheduler", "UNet2DModel")),
    "no such class": (SD, edit(INDEX, scheduler=["diffusers", "NoScheduler"]), ("no class NoScheduler",)),
    "part": (SD, edit(INDEX, extra=["diffusers", "UNet2DModel"]), ("extra", "Remove it")),
    "shape of entry": (SD, edit(INDEX, unet=["diffusers"]), ("unet", "pair")),
    "part missing": (SD, edit(INDEX, tokenizer=[None, None]), ("lacks tokenizer",)),
    "two class names": (SD, edit("unet/config.json", _class_name="my.Module"), ("my.Module", INDEX)),
}

WEIGHTS: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    "empty": (SD, write(UNET, b""), (UNET, "header")),
    "no room": (SD, write(UNET, (1 << 40).to_bytes(8, "little") + b"{}"), (UNET, "does not fit")),
    "huge": (
        SD,
        write(UNET, (17 << 20).to_bytes(8, "little") + b"{" + b" " * (17 << 20)),
        (UNET, "larger than"),
    ),
    "no object": (SD, write(UNET, (2).to_bytes(8, "little") + b"[]"), (UNET, "does not begin")),
    "truncated": (SD, cut(-4), (UNET, "fill the file", "download it again")),
    "longer": (SD, lambda p: (p / UNET).open("ab").write(b"\0" * 4), (UNET, "gap")),
    "dtype": (SD, header(lambda t: _first(t).update(dtype="C64")), (UNET, "dtype 'C64'")),
    "shape": (SD, header(lambda t: _first(t).update(shape=[1, 1])), (UNET, "do not hold shape")),
    "negative": (SD, header(lambda t: _first(t).update(shape=[-1])), (UNET, "whole numbers")),
    "extra field": (SD, header(lambda t: _first(t).update(file="/etc")), (UNET, "nothing else")),
    "metadata": (SD, header(lambda t: t.update(__metadata__={"a": [1]})), (UNET, "__metadata__")),
    "gap": (SD, header(_gap), (UNET, "a gap")),
    "overlap": (SD, header(_overlap), (UNET, "overlap")),
    "not a number": (SD, poison(float("nan")), (UNET, "infinite or not a number")),
    "infinite": (SD, poison(float("-inf")), (UNET, "infinite or not a number")),
    "half not a number": (SD, poison(float("nan"), np.float16), (UNET, "infinite or not a number")),
    "half infinite": (SD, poison(float("inf"), np.float16), (UNET, "infinite or not a number")),
    "two sets": (SD, shard(keep=True), ("unet", "both", "Delete one")),
    "shard up": (SD, shard(lambda m: {k: f"../{v}" for k, v in m.items()}), (".index.json", "../")),
    "shard root": (
        SD,
        shard(lambda m: dict.fromkeys(m, "/a.safetensors")),
        (".index.json", "/a.safetensors"),
    ),
    "shard pickle": (SD, shard(lambda m: dict.fromkeys(m, "a.bin")), (".index.json", "a.bin")),
    "shard missing": (SD, shard(lambda m: dict.fromkeys(m, "c.safetensors")), ("c.safetensors", "missing")),
    "shard untrue": (SD, shard(lambda m: dict.fromkeys(m, "a.safetensors")), (".index.json", "exactly")),
    "empty index": (SD, shard(lambda m: {}), (".index.json", "weight_map")),
}

DIT_CONFIG = "transformer/config.json"
FIT: dict[str, tuple[str, Damage, tuple[str, ...]]] = {
    "latent channels": (
        SD,
        edit("vae/config.json", latent_channels=8),
        ("in_channels is 4", "latent_channels is 8"),
    ),
    "inpainting": (SD, edit("unet/config.json", in_channels=9), ("in_channels is 9", "latent_channels is 4")),
    "out channels": (SD, edit("unet/config.json", out_channels=8), ("out_channels is 8", "in_channels is 4")),
    "cross attention": (SD, edit("unet/config.json", cross_attention_dim=48), ("48", "hidden_size is 32")),
    "sample size": (SD, edit("unet/config.json", sample_size=7), ("sample_size 7", "divisible by 2")),
    "no sample size": (SD, edit("unet/config.json", sample_size=None), ("sample_size is None",)),
    "blocks": (SD, edit("vae/config.json", block_out_channels=[8, 16]), ("vae", "block_out_channels has 2")),
    "groups": (SD, edit("unet/config.json", block_out_channels=[16, 23]), ("unet", "divisible by")),
    "nested blocks": (SD, edit("unet/config.json", block_out_channels=[[16], 24]), ("block_out_channels",)),
    "picture": (SD, edit("vae/config.json", out_channels=4), ("vae", "out_channels 4")),
    "scaling": (SD, edit("vae/config.json", scaling_factor=0), ("vae", "scaling_factor is 0")),
    "extra input": (SD, edit("unet/config.json", addition_embed_type="text_time"), ("addition_embed_type",)),
    "tokens": (SD, edit("tokenizer/tokenizer_config.json", model_max_length=77), ("77", "embeddings is 16")),
    "endless tokens": (
        SD,
        edit("tokenizer/tokenizer_config.json", model_max_length=10**30),
        ("model_max_length",),
    ),
    "vocabulary": (SD, edit("text_encoder/config.json", vocab_size=100), ("201 tokens", "vocab_size is 100")),
    "more tokens": (SD, edit("tokenizer/vocab.json", more=500), ("501 tokens", "vocab_size is 201")),
    "token ids": (SD, edit("tokenizer/vocab.json", more="5"), ("token ids",)),
    "first layer": (SD, edit("unet/config.json", block_out_channels=[32, 24]), ("conv_in.weight", "[32, 4]")),
    "embedding": (SD, edit("text_encoder/config.json", vocab_size=300), ("token_embedding", "[300, 32]")),
    "lost layer": (
        SD,
        lambda p: (p / UNET).write_bytes((2).to_bytes(8, "little") + b"{}"),
        ("lack conv_in",),
    ),
    "pixels": (DDPM, edit("unet/config.json", in_channels=4), ("in_channels is 4", "a picture has 3")),
    "pixels out": (DDPM, edit("unet/config.json", out_channels=6), ("out_channels is 6",)),
    "labels": (DDPM, edit("unet/config.json", num_class_embeds=10), ("num_class_embeds",)),
    "DiT out": (DIT, edit(DIT_CONFIG, out_channels=12), ("out_channels is 12", "neither equal nor twice")),
    "DiT in": (DIT, edit(DIT_CONFIG, in_channels=8), ("in_channels is 8", "latent_channels is 4")),
    "DiT patches": (DIT, edit(DIT_CONFIG, patch_size=3), ("sample_size 8", "divisible by 3")),
    "DiT norm": (DIT, edit(DIT_CONFIG, norm_type="layer_norm"), ("norm_type",)),
    "DiT classes": (DIT, edit(DIT_CONFIG, num_embeds_ada_norm=None), ("num_embeds_ada_norm",)),
    "DiT width": (DIT, edit(DIT_CONFIG, num_attention_heads=4), ("pos_embed.proj.weight", "[32, 4, 2, 2]")),
}

REFUSALS = {
    **FILES,
    **{f"JSON {k}": v for k, v in JSON.items()},
    **{f"class {k}": v for k, v in CLASSES.items()},
}
REFUSALS |= {f"weights {k}": v for k, v in WEIGHTS.items()} | {f"fit {k}": v for k, v in FIT.items()}


@pytest.mark.parametrize("model", [SD, DDPM, DIT])
def test_sound_model_passes(models: dict[str, Path], model: str) -> None:
    """A sound model passes, and every file of it has its sha256."""
    checked = check_directory(models[model])
    files = {p.relative_to(models[model]).as_posix(): p for p in models[model].rglob("*") if p.is_file()}
    assert checked.files == {k: hashlib.sha256(p.read_bytes()).hexdigest() for k, p in files.items()}


@pytest.mark.parametrize("name", REFUSALS)
def test_damage_is_refused(copy: Copy, name: str) -> None:
    """Each kind of damage is refused by the name of the file or key, with what mends it."""
    model, damage, words = REFUSALS[name]
    path = copy(model)
    damage(path)
    with pytest.raises(ModelError) as refusal:
        check_directory(path)
    assert not [word for word in words if word not in str(refusal.value)], str(refusal.value)
    assert refusal.value.remedy


@pytest.mark.parametrize(("name", "words"), [("nowhere", "does not exist"), (INDEX, "not a directory")])
def test_path_is_no_directory(models: dict[str, Path], name: str, words: str) -> None:
    """A path that is no directory is refused in those words."""
    with pytest.raises(ModelError, match=words):
        check_directory(models[SD] / name)


@pytest.mark.parametrize(
    "addition",
    [
        write(".git/hooks/pre-commit.sample"),
        write(".cache/huggingface/download/x.lock"),
        write("LICENSE"),
        link("unet/again.json", "config.json"),
        edit(INDEX, safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"]),
        edit(INDEX, feature_extractor=["transformers", "CLIPFeatureExtractor"]),
        shard(),
    ],
    ids=["git", "cache", "licence", "link inside", "safety checker", "feature extractor", "shards"],
)
def test_harmless_is_let_through(copy: Copy, addition: Damage) -> None:
    """What published models carry beside their parts does not stop one from opening."""
    path = copy(SD)
    addition(path)
    assert set(check_directory(path).tensors) == {"unet", "vae", "text_encoder"}


class _Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.marker, "ran")


def _pickle(path: Path, marker: Path) -> None:
    bomb = pickle.dumps(_Bomb(marker))
    pickle.loads(bomb)  # noqa: S301 - shows that this one does go off
    remove(UNET)(path)
    write("unet/diffusion_pytorch_model.bin", bomb)(path)


def _python(path: Path, marker: Path, name: str) -> None:
    write(name, f"open({str(marker)!r}, 'w').write('ran')\nclass Model: pass\n".encode())(path)
    runpy.run_path(str(path / name))


def _component(path: Path, marker: Path) -> None:
    _python(path, marker, "unet/evil.py")
    edit(INDEX, unet=["evil", "Model"])(path)


def _pipeline(path: Path, marker: Path) -> None:
    _python(path, marker, "pipeline.py")
    edit(INDEX, _class_name=["pipeline", "Model"], custom_pipeline="pipeline.py")(path)


def _auto_map(path: Path, marker: Path) -> None:
    _python(path, marker, "text_encoder/evil.py")
    edit("text_encoder/config.json", auto_map={"AutoModel": "evil.Model"}, model_type="evil")(path)


@pytest.mark.parametrize("plant", [_pickle, _component, _pipeline, _auto_map])
def test_nothing_in_it_runs(copy: Copy, tmp_path: Path, plant: Any) -> None:
    """Opening a hostile directory never runs what is planted in it, though that does run elsewhere."""
    path, marker = copy(SD), tmp_path / "marker"
    plant(path, marker)
    assert marker.exists()
    marker.unlink()
    with pytest.raises(ModelError):
        open_model(path)
    assert not marker.exists()


def _corrupt(content: bytes, length: int | None, changes: dict[int, int]) -> bytes:
    damaged = bytearray(content)
    for at, byte in changes.items():
        damaged[at] = byte
    return bytes(damaged[:length])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_corrupt_header(copy: Copy, models: dict[str, Path], tmp_path: Path, data: st.DataObject) -> None:
    """A corrupted or cut safetensors file is refused, or is one that safetensors reads the same way."""
    path = tmp_path / DDPM if (tmp_path / DDPM).exists() else copy(DDPM)
    content = (models[DDPM] / UNET).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    length = data.draw(st.none() | st.integers(0, len(content)))
    bytes_ = st.integers(0, 255) | st.sampled_from(b'"{}[],:0123456789 FIBU')
    changes = data.draw(st.dictionaries(st.integers(0, end - 1), bytes_, max_size=4))
    damaged = _corrupt(content, length, changes)
    (path / UNET).write_bytes(damaged)
    try:
        checked = check_directory(path)
    except ModelError:
        return
    assert checked.files[UNET] == hashlib.sha256(damaged).hexdigest()
    with safe_open(path / UNET, "np") as file:
        theirs = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert {name: tensor.shape for name, tensor in checked.tensors["unet"].items()} == theirs


def test_change_after_the_check_is_seen(copy: Copy) -> None:
    """A file written, or one added, between check and use is seen."""
    path = copy(DDPM)
    checked = check_directory(path)
    check_unchanged(checked)
    edit("unet/config.json", layers_per_block=2)(path)
    with pytest.raises(ModelError, match="changed while"):
        check_unchanged(checked)


def test_unreadable_file(models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is refused by name."""

    def deny(path: Path, *_: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(directory, "scan", deny)
    with pytest.raises(ModelError, match=rf"{UNET} cannot be read: Permission denied"):
        check_directory(models[DDPM])
