"""How long each layer of a graph takes, as the plugin's own counters say.

The plugin fuses what follows a layer into it and names the whole by one of its operators. Its runtime model
says which went in, but of a matrix product with a bias the addition alone.
"""

from __future__ import annotations

from typing import Any

import openvino as ov

from burnish.graphs.gates import LAYERS, bias_add
from burnish.graphs.quantize import Inputs

ROUNDS = 20
MADE_OF = "originalLayersNames"


def layer_seconds(model: Any, sample: Inputs, precision: str = "f32") -> dict[str, float]:
    """Seconds of each convolution, matrix product and attention of an ov.Model, by friendly name.

    With what is fused into it; the least of 20 rounds on one input, since other work only adds. `precision`
    is OpenVINO's INFERENCE_PRECISION_HINT, "f32" or "bf16". Layers that the plugin folded away, or whose
    parts run apart, have none. Counting itself takes time: compare graphs, do not add up.
    """
    static = model.clone()
    static.reshape({name: list(x.shape) for name, x in sample.items()})
    names = _names(static)
    options = {"INFERENCE_PRECISION_HINT": precision, "PERF_COUNT": True, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(static, "CPU", options)
    made_of = {
        op.get_friendly_name(): {
            names[n] for n in op.get_rt_info()[MADE_OF].astype(str).split(",") if n in names
        }
        for op in compiled.get_runtime_model().get_ordered_ops()
    }
    request = compiled.create_infer_request()
    found: dict[str, float] = {}
    for _ in range(ROUNDS):
        request.infer(sample)
        for info in request.profiling_info:
            layers = made_of.get(info.node_name, set())
            if len(layers) == 1:  # of several in one, nobody's
                (name,) = layers
                taken = info.real_time.total_seconds()
                found[name] = min(taken, found.get(name, taken))
    return found


def _names(model: Any) -> dict[str, str]:
    """The friendly names that stand for a layer, with the layer's own."""
    found = {}
    for op in model.get_ordered_ops():
        if op.get_type_name() in LAYERS:
            bias = bias_add(op)
            for node in (op,) if bias is None else (op, bias):
                found[node.get_friendly_name()] = op.get_friendly_name()
    return found
