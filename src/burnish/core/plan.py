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
    the others run the conditional pass alone. `timestep_spacing` "" keeps the scheduler's own.
    """

    remedy: ClassVar[str] = "Correct the plan; the cookbook's page on your own model has one"

    scheduler: str = ""
    timestep_spacing: Literal["", "leading", "trailing", "linspace"] = ""
    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0.0, le=100.0)
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    precision: Precision = "fp32"

    def describe(self) -> str:
        """One line for tables: "UniPC 10 calls, guidance 7.5 on 0.1-0.7, int8"."""
        name = self.scheduler.removesuffix("Scheduler").removesuffix("Multistep") or "own scheduler"
        low, high = self.guidance_interval
        part = "" if (low, high) == (0.0, 1.0) else f" on {low:g}-{high:g}"
        guidance = "no guidance" if self.guidance_scale == 1.0 else f"guidance {self.guidance_scale:g}{part}"
        return f"{name} {self.num_inference_steps} steps, {guidance}, {self.precision}"
