"""How much rounding each layer costs, measured on recorded inputs, and which layers are kept from it.

A layer's error is that of the whole graph's output when this layer alone is rounded, not when all others are:
single errors are small, so they stand out from an exact output and add up in squares (in int8 on icons they
predict 0.090 for all layers together, and 0.089 is measured), while what one layer among many gains is the
difference of two large numbers. Ranges are those that a layer has with all others rounded. NNCF ranks with
accuracy control by the same measure, one graph built for each layer; here one graph has a gate at each
(`gates`), and a choice of layers is one run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from burnish.graphs.gates import GATES, gated
from burnish.graphs.quantize import Inputs, quantize
from burnish.program.trajectories import relative

INPUTS = 8  # of the samples, spread evenly, in one batch
Array = NDArray[np.float32]
Output = Callable[[Collection[str]], Array]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer, and the relative error of the graph's output when it alone is rounded."""

    name: str  # OpenVINO's friendly name, as `quantize` takes it in `keep`
    error: float


def sensitivity(model: Any, samples: Sequence[Inputs], changed: Any = None) -> tuple[Layer, ...]:
    """Every layer of the ov.Model that is rounded in `changed`, the most sensitive first.

    `changed` is what `quantize` or `compress` made of the model; by default the model is quantized on the
    samples. Costs a run of twice the model a layer: a minute on icons.
    """
    if changed is None:
        changed = quantize(model, samples)
    output, names = simulated(model, changed, samples)
    exact = output(())
    found = [Layer(name=name, error=relative(output((name,)), exact)) for name in names]
    return tuple(sorted(found, key=lambda layer: (-layer.error, layer.name)))


def most_sensitive(layers: Sequence[Layer], share: float) -> tuple[str, ...]:
    """The names of the first `share` of `layers`, rounded up; raises ValueError for a share not in 0 to 1."""
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share is {share}, not from 0 to 1")
    return tuple(layer.name for layer in layers[: math.ceil(share * len(layers))])


def kept(model: Any, samples: Sequence[Inputs], share: float) -> tuple[str, ...]:
    """The layers that `quantize` should keep in floating point: the most sensitive `share` of them."""
    most_sensitive((), share)  # refused before it has cost a minute
    return most_sensitive(sensitivity(model, samples), share) if share else ()


def predicted_error(layers: Sequence[Layer], keep: Collection[str] = ()) -> float:
    """The output's relative error with all but `keep` rounded, were the layers' errors independent."""
    return math.sqrt(sum(layer.error**2 for layer in layers if layer.name not in keep))


def simulated(model: Any, changed: Any, samples: Sequence[Inputs]) -> tuple[Output, tuple[str, ...]]:
    """A function from the names of the layers that are rounded to the output, and all names there are.

    The output is that of `INPUTS` of the samples, what the graph gives in a row. `changed` is as for
    `sensitivity`.
    """
    graph, names = gated(model, changed)
    spread = np.linspace(0, len(samples) - 1, min(INPUTS, len(samples))).round().astype(int)
    batch = {name: np.concatenate([samples[k][name] for k in spread]) for name in samples[0]}
    graph.reshape({name: list(x.shape) for name, x in batch.items()} | {GATES: [len(names)]})
    request = (
        ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    )

    def output(rounded: Collection[str]) -> Array:
        gates = np.array([name in rounded for name in names], dtype=np.float32)
        found = request.infer({**batch, GATES: gates})
        return np.concatenate([np.ravel(found[k]) for k in range(len(found))])

    return output, names
