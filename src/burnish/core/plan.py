"""Plan: what to do to a model. One field a technique; the defaults leave the model as it is."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from burnish.core.values import Value

Precision = Literal["fp32", "bf16", "int8"]
Weights = Literal["", "int8", "int4"]
Floor = Literal["faithful", "equivalent"]
Runtime = Literal["openvino", "onnxruntime", "torch"]

EVERYWHERE = (0.0, 1.0)  # a guidance interval: all calls


class Plan(Value):
    """`scheduler` is a diffusers class name; "" keeps the model's own with its own settings.

    `guidance_interval` is the part of the calls, in order, that are guided: (0, 1) is all of them;
    the others run the conditional pass alone. `timestep_spacing` "" keeps the scheduler's own. `learned`
    fits timesteps and table to the model's own trajectories. `cut` is how deep the denoiser is cut, counted
    from 1 for the shallowest cut, 0 for none; of its calls only `fresh_calls` compute deep features.
    `floating` is the share of the denoiser's layers, the most sensitive first, that int8 leaves as they are.
    `weights` is how weights are stored, "" in the type that they came in: less on disk, computed as
    `precision` says. `token_merging` is the share of tokens merged, for keys and values, in the denoiser's
    finest self-attention. `streams` passes of the denoiser run side by side, each on its share of the
    threads. `runtime` is what runs the graphs.
    """

    remedy: ClassVar[str] = "Correct the plan; the cookbook's page on your own model has one"

    scheduler: str = ""
    timestep_spacing: Literal["", "leading", "trailing", "linspace"] = ""
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0.0, le=100.0)
    guidance_interval: tuple[float, float] = EVERYWHERE
    learned: bool = False
    cut: int = Field(default=0, ge=0, le=256)
    fresh_calls: int = Field(default=0, ge=0, le=1000)
    precision: Precision = "fp32"
    floating: float = Field(default=0.0, ge=0.0, le=0.5)
    weights: Weights = ""
    token_merging: float = Field(default=0.0, ge=0.0, lt=1.0)
    streams: int = Field(default=1, ge=1, le=2)
    runtime: Runtime = "openvino"

    def describe(self) -> str:
        """One line for tables: "UniPC 10 calls, guidance 7.5 on 0.1-0.7, int8"."""
        own = "fitted" if self.learned else "own scheduler"
        name = self.scheduler.removesuffix("Scheduler").removesuffix("Multistep") or own
        low, high = self.guidance_interval
        part = "" if (low, high) == EVERYWHERE else f" on {low:g}-{high:g}"
        fresh = f" with {self.fresh_calls} fresh" if self.fresh_calls else ""
        kept = f" but for {self.floating:.0%} of the layers" if self.floating else ""
        said = (
            f"{name} {self.num_inference_steps} steps",
            "no guidance" if self.guidance_scale == 1.0 else f"guidance {self.guidance_scale:g}{part}",
            f"cut at depth {self.cut}{fresh}" if self.cut else "",
            f"{self.token_merging:.0%} of the tokens merged" if self.token_merging else "",
            f"{self.precision}{kept}",
            f"weights in {self.weights}" if self.weights else "",
            "passes side by side" if self.streams > 1 else "",
            "" if self.runtime == "openvino" else f"run by {self.runtime}",
        )
        return ", ".join(each for each in said if each)
