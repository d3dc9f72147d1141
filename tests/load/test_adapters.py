"""LoRA adapters: fused as diffusers fuses them, and refused by name where they are something else."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.core.errors import ModelError
from burnish.load import adapters, inspect, open_model, reference_pipeline
from tests.load.damage import overflow

SD, XL, SD3, FLUX, SIGMA = (
    "stable_diffusion",
    "stable_diffusion_xl",
    "stable_diffusion_3",
    "flux",
    "pixart_sigma",
)
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
RANK = 3


def _noise(*shape: int) -> Tensor:
    seed = int(hashlib.sha256(repr(shape).encode()).hexdigest()[:8], 16)
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _trained(pipeline: Any, targets: dict[str, Sequence[str]], path: Path, alpha: int = 6) -> Path:
    """An adapter as diffusers' own training scripts save it, with random numbers for both halves."""
    layers: dict[str, Any] = {}
    for part, names in targets.items():
        module = getattr(pipeline, part)
        config = LoraConfig(r=RANK, lora_alpha=alpha, target_modules=list(names))
        module.add_adapter(config)
        state = {k: p for k, p in module.named_parameters() if "lora_" in k}
        for name, parameter in state.items():
            parameter.data = _noise(*parameter.shape)
            assert ".default." in name
        layers[f"{part}_lora_layers"] = {
            k.replace(".default", ""): p.detach().contiguous() for k, p in state.items()
        }
        layers[f"{part}_lora_adapter_metadata"] = config.to_dict()
    type(pipeline).save_lora_weights(path, safe_serialization=True, **layers)
    return path / "pytorch_lora_weights.safetensors"


def _kohya(names: dict[str, tuple[int, ...]], path: Path, alpha: float = 1.5) -> Path:
    """An adapter as kohya's scripts save it: name of a layer, and the shape of its weight."""
    tensors: dict[str, Tensor] = {}
    for name, (wide, *rest) in names.items():
        tensors[f"{name}.lora_down.weight"] = _noise(RANK, *rest)
        tensors[f"{name}.lora_up.weight"] = _noise(wide, RANK, *[1] * (len(rest) - 1))
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path)
    return path


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "out_proj")
BLOCK = "1_attentions_0_transformer_blocks_0"
KOHYA_SD = {
    f"lora_unet_down_blocks_{BLOCK}_attn1_to_q": (24, 24),
    f"lora_unet_down_blocks_{BLOCK}_attn2_to_k": (24, 32),
    f"lora_unet_down_blocks_{BLOCK}_ff_net_0_proj": (192, 24),
    "lora_unet_down_blocks_1_attentions_0_proj_in": (24, 24, 1, 1),
    "lora_unet_mid_block_resnets_0_conv1": (24, 24, 3, 3),
    **{f"lora_te_text_model_encoder_layers_0_self_attn_{p}": (32, 32) for p in PROJECTIONS},
    "lora_te_text_model_encoder_layers_1_mlp_fc1": (64, 32),
}
KOHYA_XL = {
    "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q": (24, 24),
    "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k": (24, 80),
    **{f"lora_te1_text_model_encoder_layers_0_self_attn_{p}": (32, 32) for p in PROJECTIONS},
    **{f"lora_te2_text_model_encoder_layers_0_self_attn_{p}": (48, 48) for p in PROJECTIONS},
    "lora_te2_text_model_encoder_layers_1_mlp_fc2": (48, 64),
}
KOHYA_FLUX = {
    "lora_unet_double_blocks_0_img_attn_qkv": (72, 24),
    "lora_unet_single_blocks_1_linear2": (24, 120),
    **{f"lora_te1_text_model_encoder_layers_0_self_attn_{p}": (32, 32) for p in PROJECTIONS},
}
CLIP = ("q_proj", "fc1")
MAKERS: dict[str, tuple[str, Callable[[Any, Path], Path]]] = {
    "SD": (SD, lambda p, to: _trained(p, {"unet": ATTENTION, "text_encoder": CLIP}, to)),
    "SD kohya": (SD, lambda p, to: _kohya(KOHYA_SD, to / "a.safetensors")),
    "XL": (
        XL,
        lambda p, to: _trained(p, {"unet": ATTENTION, "text_encoder": CLIP, "text_encoder_2": CLIP}, to),
    ),
    "XL kohya": (XL, lambda p, to: _kohya(KOHYA_XL, to / "a.safetensors")),
    "SD3": (SD3, lambda p, to: _trained(p, {"transformer": ATTENTION}, to)),
    "Flux": (FLUX, lambda p, to: _trained(p, {"transformer": ATTENTION}, to)),
    "Flux kohya": (FLUX, lambda p, to: _kohya(KOHYA_FLUX, to / "a.safetensors")),
}


def _states(pipeline: Any) -> dict[str, Tensor]:
    """The weights of all parts, by the names that they have without an adapter."""
    parts = ("unet", "transformer", "text_encoder", "text_encoder_2")
    found = {
        f"{part}.{name.replace('.base_layer', '')}": tensor
        for part in parts
        if getattr(pipeline, part, None) is not None
        for name, tensor in getattr(pipeline, part).state_dict().items()
    }
    return {name: tensor for name, tensor in found.items() if "lora_" not in name}


@pytest.mark.parametrize("kind", MAKERS)
def test_fused_as_diffusers_fuses(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Every weight is the one that diffusers' load_lora_weights and fuse_lora leave, at the same strength."""
    name, make = MAKERS[kind]
    file = make(reference_pipeline(models[name]), tmp_path)
    stock = reference_pipeline(models[name])
    before = {k: v.clone() for k, v in _states(stock).items()}
    stock.load_lora_weights(str(file.parent), weight_name=file.name)
    stock.fuse_lora(components=[p for p in stock._lora_loadable_modules if hasattr(stock, p)], lora_scale=0.7)
    theirs, ours = _states(stock), _states(reference_pipeline(models[name], lora=[(file, 0.7)]))
    changed = {k for k in before if not torch.equal(before[k], theirs[k])}
    assert len(changed) >= 3
    for key, value in theirs.items():
        assert torch.allclose(ours[key], value, atol=1e-5), key


def test_the_same_picture_as_diffusers(models: dict[str, Path], tmp_path: Path) -> None:
    """A pipeline with a fused adapter draws what diffusers draws with it, and not what it drew before."""
    file = MAKERS["SD"][1](reference_pipeline(models[SD]), tmp_path)
    stock, plain = reference_pipeline(models[SD]), reference_pipeline(models[SD])
    stock.load_lora_weights(str(file.parent), weight_name=file.name)
    stock.fuse_lora(lora_scale=0.7)
    pictures = [
        pipeline(
            "red apple", num_inference_steps=3, output_type="np", generator=torch.Generator().manual_seed(0)
        ).images
        for pipeline in (stock, reference_pipeline(models[SD], lora=[(file, 0.7)]), plain)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() < 1e-4
    assert np.abs(pictures[0] - pictures[2]).max() > 1e-2


def test_each_layer_has_its_own_alpha(models: dict[str, Path], tmp_path: Path) -> None:
    """Two adapters add W + weight * alpha / rank * B A in the closed form, each layer by its own alpha."""
    layer = f"lora_unet_down_blocks_{BLOCK}_attn1_to_q"
    files = [_kohya({layer: (24, 24)}, tmp_path / f"{a}.safetensors", a) for a in (1.0, 4.5)]
    name = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    plain = open_model(models[SD]).denoiser.state_dict()[name]
    fused = open_model(models[SD], lora=[(files[0], 0.5), (files[1], -1.0)]).denoiser.state_dict()[name]
    product = _noise(24, RANK) @ _noise(RANK, 24)
    expected = plain + (0.5 * 1.0 / RANK - 1.0 * 4.5 / RANK) * product
    assert torch.allclose(fused, expected, atol=1e-6)


def test_the_card_says_which(models: dict[str, Path], tmp_path: Path) -> None:
    """Names, weights and digests of adapters are on the card, and change the model's digest."""
    file = _kohya(KOHYA_SD, tmp_path / "style.safetensors")
    cards = [open_model(models[SD], lora=[(file, w)]).card for w in (0.5, 0.6)]
    (adapter,) = cards[0].adapters
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (adapter.name, adapter.weight, adapter.digest) == ("style.safetensors", 0.5, sha)
    assert len({cards[0].digest, cards[1].digest, inspect(models[SD]).digest}) == 3


def _edited(change: Callable[[dict[str, Tensor]], object], **metadata: str) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        file = _kohya(KOHYA_SD, path / "a.safetensors")
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file, metadata=metadata or None)
        return file

    return make


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / name).write_bytes(content)
        return path / name

    return make


def _peft(**tensors: Tensor) -> Callable[[dict[str, Tensor]], object]:
    def change(old: dict[str, Tensor]) -> None:
        old.clear()
        old.update({name.replace("__", "."): tensor for name, tensor in tensors.items()})

    return change


FIRST = next(iter(KOHYA_SD))
MID = "unet__mid_block__resnets__0__"
DORA = json.dumps({"unet.use_dora": True, "unet.lora_alpha": 3})
LAYER = {
    f"{MID}conv1__lora_A__weight": _noise(2, 24, 3, 3),
    f"{MID}conv1__lora_B__weight": _noise(24, 2, 1, 1),
}


def _overflowing(path: Path) -> Path:
    file = _kohya(KOHYA_SD, path / "a.safetensors")
    overflow(file.name)(path)
    return file


def _alpha(text: str) -> Callable[[Path], Path]:
    return _edited(_peft(**LAYER), lora_adapter_metadata=f'{{"unet.lora_alpha": {text}}}')


REFUSALS: dict[str, tuple[Callable[[Path], Path], float, str]] = {
    "pickle": (_written("a.bin", pickle.dumps({})), 1.0, "a.bin is not a safetensors file"),
    "checkpoint": (_written("a.ckpt", pickle.dumps({})), 1.0, "a.ckpt is not a safetensors file"),
    "pickle by another name": (_written("a.safetensors", pickle.dumps({})), 1.0, "header"),
    "nothing there": (lambda path: path / "a.safetensors", 1.0, "a.safetensors is not a safetensors file"),
    "not a number": (
        _edited(lambda t: t[f"{FIRST}.lora_up.weight"].fill_(float("nan"))),
        1.0,
        "infinite or not a number",
    ),
    "weight": (_edited(lambda t: None), float("nan"), "the weight of a.safetensors is nan"),
    "overflow": (
        _edited(lambda t: (t[f"{FIRST}.alpha"].fill_(3e38), t[f"{FIRST}.lora_up.weight"].fill_(9e9))),
        1.0,
        "attn1.to_q makes numbers that are not finite",
    ),
    "half": (_edited(lambda t: t.pop(f"{FIRST}.lora_up.weight")), 1.0, "names are not those of a LoRA"),
    "alpha alone": (_edited(lambda t: t.update({"lora_unet_x.alpha": torch.ones(())})), 1.0, "belongs to"),
    "shape": (
        _edited(lambda t: t.update({f"{FIRST}.lora_up.weight": _noise(20, RANK)})),
        1.0,
        "attn1.to_q has shapes [20, 3] and [3, 24], its layer has [24, 24]",
    ),
    "unknown layer": (
        _edited(
            _peft(unet__nothing__lora_A__weight=_noise(2, 4), unet__nothing__lora_B__weight=_noise(4, 2))
        ),
        1.0,
        "unet.nothing is no layer",
    ),
    "unknown part": (
        _edited(_peft(vae__x__lora_A__weight=_noise(2, 4), vae__x__lora_B__weight=_noise(4, 2))),
        1.0,
        "vae.x is no layer",
    ),
    "norm": (
        _edited(
            _peft(
                **{
                    f"{MID}norm1__lora_A__weight": _noise(2, 24),
                    f"{MID}norm1__lora_B__weight": _noise(24, 2),
                }
            )
        ),
        1.0,
        "norm1 is no layer of this model",
    ),
    "half of peft": (
        _edited(_peft(**{f"{MID}conv1__lora_A__weight": _noise(2, 24, 3, 3)})),
        1.0,
        "unet.mid_block.resnets.0.conv1 has one half",
    ),
    "DoRA": (_edited(lambda t: t.update({f"{FIRST}.dora_scale": _noise(24, 1)})), 1.0, "dora_scale"),
    "DoRA by settings": (_edited(_peft(**LAYER), lora_adapter_metadata=DORA), 1.0, "use_dora"),
    "settings": (_edited(_peft(**LAYER), lora_adapter_metadata="["), 1.0, "is not readable JSON"),
    "LoHa": (_edited(lambda t: t.update({"lora_unet_x.hada_w1_a": _noise(2, 2)})), 1.0, "hada_"),
    "no rank": (
        _edited(lambda t: t.update({f"{FIRST}.lora_down.weight": torch.ones(())})),
        1.0,
        "lora_down.weight has shape [], which is no matrix",
    ),
    "rank 0": (
        _edited(
            _peft(
                **{
                    f"{MID}conv1__lora_A__weight": torch.ones(0, 24, 3, 3),
                    f"{MID}conv1__lora_B__weight": torch.ones(24, 0, 1, 1),
                }
            ),
            lora_adapter_metadata='{"unet.lora_alpha": 3}',
        ),
        1.0,
        "which is no matrix of rank 1 or more",
    ),
    "endless alpha": (_alpha("1" + "0" * 400), 1.0, "lora_alpha of unet is 1000"),
    "alpha NaN": (_alpha("NaN"), 1.0, "lora_alpha of unet is nan"),
    "large alpha": (_alpha("-1000001"), 1.0, "lora_alpha of unet is -1000001"),
    "header": (_overflowing, 1.0, "a.safetensors: safetensors refuses it"),
    "empty": (_edited(lambda t: t.clear()), 1.0, "a.safetensors"),
    "other model": (_edited(_peft(x=_noise(2, 2))), 1.0, "a.safetensors"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_lora_is_refused(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    """What is no LoRA of this model is refused by the name of its file or key, with what mends it."""
    make, weight, words = REFUSALS[name]
    with pytest.raises(ModelError) as refusal:
        open_model(models[SD], lora=[(make(tmp_path), weight)])
    assert words in str(refusal.value)
    assert refusal.value.remedy


def test_names_of_two_kinds_are_refused(models: dict[str, Path], tmp_path: Path) -> None:
    """Names of which diffusers would leave one kind out in silence are refused instead."""
    both = {
        "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q": (24, 24),
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_k": (24, 24),
    }
    with pytest.raises(ModelError, match=r"middle_block_1_.* has no place in this model"):
        open_model(models[XL], lora=[(_kohya(both, tmp_path / "a.safetensors"), 1.0)])


T5_LAYERS = (
    "lora_te2_encoder_block_0_layer_0_SelfAttention_q",
    "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
)
FLUX_REFUSALS: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    **{n[:8]: (KOHYA_FLUX | {n: (32, 32)}, f"{n}.lora_down.weight has no place") for n in T5_LAYERS},
    "other width": ({"lora_unet_single_blocks_0_linear1": (168, 24)}, "names are not those of a LoRA"),
}


@pytest.mark.parametrize("name", FLUX_REFUSALS)
def test_what_flux_has_no_place_for_is_refused(models: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Layers of T5, which diffusers drops beside others that it splits, and widths that it cannot split."""
    layers, words = FLUX_REFUSALS[name]
    with pytest.raises(ModelError) as refusal:
        open_model(models[FLUX], lora=[(_kohya(layers, tmp_path / "a.safetensors"), 1.0)])
    assert words in str(refusal.value)


def test_layers_of_zeros_may_be_left_out(models: dict[str, Path], tmp_path: Path) -> None:
    """Layers of T5 that are all zeros, as some trainers write them, change nothing and are let through."""
    plain, padded = (tmp_path / f"{n}.safetensors" for n in ("plain", "padded"))
    zeros = {f"{T5_LAYERS[1]}.lora_{h}.weight": torch.zeros(2, 2) for h in ("down", "up")}
    save_file(load_file(_kohya(KOHYA_FLUX, plain)) | zeros, padded)
    ours, theirs = (open_model(models[FLUX], lora=[(f, 1.0)]).denoiser.state_dict() for f in (padded, plain))
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())


def test_change_while_reading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that is written to after its digest was taken is refused."""
    file = _kohya(KOHYA_SD, tmp_path / "a.safetensors")

    def swap(path: Path) -> dict[str, Tensor]:
        path.write_bytes(path.read_bytes())
        return load_file(path)

    monkeypatch.setattr(adapters, "load_file", swap)
    with pytest.raises(ModelError, match="changed while it was opened"):
        adapters.read_adapter(file, 1.0)


def test_a_pipeline_without_loras_takes_none(models: dict[str, Path], tmp_path: Path) -> None:
    """A pipeline for which diffusers has no LoRA loader says so."""
    with pytest.raises(ModelError, match="PixArtSigmaPipeline takes no LoRA"):
        open_model(models[SIGMA], lora=[(_kohya(KOHYA_SD, tmp_path / "a.safetensors"), 1.0)])
