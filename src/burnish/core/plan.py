"""Plan: what to do to a model. One field a technique; the defaults leave the model as it is."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from burnish.core.values import Value

Precision = Literal["fp32", "bf16", "int8"]
Floor = Literal["faithful", "equivalent"]


class Plan(Value):
    """`scheduler` is a diffusers class name; "" keeps the model's own with its own settings.

    `guidance_interval` is the part of the calls, in order, that are guided: (0, 1) is all of them;
    the others run the conditional pass alone. `timestep_spacing` "" keeps the scheduler's own. `learned`
    fits timesteps and table to the model's own trajectories. `cut` is how deep the denoiser is cut, counted
    from 1 for the shallowest cut, 0 for none; of its calls only `fresh_calls` compute deep features.
    """

    remedy: ClassVar[str] = "Correct the plan; the cookbook's page on your own model has one"

    scheduler: str = ""
    timestep_spacing: Literal["", "leading", "trailing", "linspace"] = ""
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0.0, le=100.0)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    learned: bool = False
    cut: int = Field(default=0, ge=0, le=256)
    fresh_calls: int = Field(default=0, ge=0, le=1000)
    precision: Precision = "fp32"

    def describe(self) -> str:
        """One line for tables: "UniPC 10 calls, guidance 7.5 on 0.1-0.7, int8"."""
        own = "fitted" if self.learned else "own scheduler"
        name = self.scheduler.removesuffix("Scheduler").removesuffix("Multistep") or own
        low, high = self.guidance_interval
        part = "" if (low, high) == (0.0, 1.0) else f" on {low:g}-{high:g}"
        guidance = "no guidance" if self.guidance_scale == 1.0 else f"guidance {self.guidance_scale:g}{part}"
        kept = f", {self.fresh_calls} fresh at depth {self.cut}" if self.fresh_calls else ""
        return f"{name} {self.num_inference_steps} steps, {guidance}{kept}, {self.precision}"
