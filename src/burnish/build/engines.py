"""Engines: what runs the graphs. OpenVINO, ONNX Runtime where that is not, PyTorch where there is a GPU."""

from __future__ import annotations

from importlib.util import find_spec

from burnish.build.technique import Technique
from burnish.core.model import Device, ModelCard
from burnish.core.plan import Plan, Runtime

# Fields that are a matter of OpenVINO's graphs; elsewhere they stay at their defaults.
OPENVINO_ONLY = ("floating", "weights", "token_merging", "streams")
NEEDS: dict[Runtime, tuple[str, ...]] = {
    "openvino": (),
    "onnxruntime": ("onnx", "onnxruntime"),
    "torch": (),
}
EXTRA: dict[Runtime, str] = {"onnxruntime": "pip install 'burnish[onnx]'"}


def _refusal(plan: Plan, card: ModelCard, device: Device | None) -> str:
    if plan.runtime == "openvino":
        return ""
    for name in NEEDS[plan.runtime]:
        if find_spec(name) is None:
            return f"{name} is not installed: {EXTRA[plan.runtime]}"
    for name in OPENVINO_ONLY:
        if getattr(plan, name) != Plan.model_fields[name].default:
            return f"{name} is for OpenVINO, and runtime is {plan.runtime}"
    if plan.runtime == "onnxruntime" and plan.precision == "bf16":
        return "ONNX Runtime has no bf16 on a CPU"
    if plan.runtime == "torch":
        return _torch_refusal(plan)
    return ""


def _torch_refusal(plan: Plan) -> str:
    if plan.cut:
        return "PyTorch runs the denoiser in one piece, and cut is not 0"
    if plan.precision == "int8" and find_spec("torchao") is None:
        return "int8 in PyTorch needs torchao, which is not installed: pip install torchao"
    return ""


TECHNIQUE = Technique(
    name="engines",
    fields=("runtime",),
    effect="The same pictures by another engine: where OpenVINO does not run, and where there is a GPU.",
    cost="onnxruntime: a second export; torch: a bundle that needs the compiler's packages to run",
    paper="ONNX 1.18 operators; Ansel et al., PyTorch 2, ASPLOS 2024, doi 10.1145/3620665.3640366",
    refusal=_refusal,
)
