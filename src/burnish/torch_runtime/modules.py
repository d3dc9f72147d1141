"""The graphs of an opened model as PyTorch modules of wires, in the precision that each is run in."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import nn

from burnish.core.bundle import Role
from burnish.core.errors import BundleError
from burnish.core.plan import Precision
from burnish.graphs.capture import _before, _denoiser
from burnish.graphs.encoders import Decoder, ImageEncoder
from burnish.load import OpenedModel

FLOATING: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "int8": torch.bfloat16,  # what is no matrix product of weights
}


def modules(model: OpenedModel) -> dict[Role, nn.Module]:
    """Every graph of a model by role, as `captures` wraps them; without examples, so nothing is run."""
    found: dict[Role, nn.Module] = {node.role: node.module for node in (*_before(model), _denoiser(model))}
    if model.autoencoder is not None:
        found |= {"decoder": Decoder(model.autoencoder), "image_encoder": ImageEncoder(model.autoencoder)}
    return {role: module.eval() for role, module in found.items()}


def prepared(module: nn.Module, role: Role, precision: Precision, device: str) -> nn.Module:
    """The module on `device` in a precision; the denoiser is changed in place, others are copied.

    int8 are weights and activations of linear layers, a scale an output channel and one a token, by torchao;
    convolutions stay in bf16. Raises BundleError where torchao is not installed.
    """
    if precision == "fp32":
        return module.to(device)
    own = module if role == "denoiser" else deepcopy(module)  # an autoencoder's halves are one module
    own = own.to(device, FLOATING[precision])
    return _int8(own) if precision == "int8" else own


def _int8(module: nn.Module) -> nn.Module:
    try:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
    except ImportError:
        raise BundleError("int8 in PyTorch needs torchao", "pip install torchao") from None
    quantize_(module, Int8DynamicActivationInt8WeightConfig())
    return module
