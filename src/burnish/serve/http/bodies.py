"""What a client may ask for. A field that is not here is refused by name."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from burnish.core.job import MOST_PROMPT, Ask
from burnish.serve.http.errors import ApiError
from burnish.serve.shelf import Shelved

MOST_SEED = 2**63 - 1
MOST_N = 10
Format = Literal["png", "jpeg", "webp"]
Prompt = Annotated[str, Field(max_length=MOST_PROMPT)]


class Body(BaseModel):
    """A body in JSON."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Wanted(Body):
    """Pictures of a prompt, and how they are drawn; named as OpenAI does, or else diffusers."""

    prompt: Prompt
    model: Annotated[str, Field(max_length=100)] = ""
    n: int = Field(default=1, ge=1, le=MOST_N)
    size: Annotated[str, Field(max_length=20)] = "auto"
    seed: int | None = Field(default=None, ge=0, le=MOST_SEED)
    negative_prompt: Prompt = ""
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    user: Annotated[str, Field(max_length=100)] = ""  # of the client's own, between whom the queue is fair

    def ask(self, shelved: Shelved) -> Ask:
        """What is asked of a release; raises ApiError, naming the field that it cannot honour."""
        self._require_as_built(shelved)
        height, width = self._size(shelved)
        seed = secrets.randbelow(2**31) if self.seed is None else self.seed
        if not shelved.card.reads_text:
            raise ApiError(400, "invalid_value", f"{shelved.card.name} reads no prompts", "prompt")
        return Ask(
            release=shelved.digest,
            seeds=tuple((seed + k) % (MOST_SEED + 1) for k in range(self.n)),
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            height=height,
            width=width,
        )

    def _require_as_built(self, shelved: Shelved) -> None:
        """A release draws as it was measured: what changes that is another release."""
        for name in ("num_inference_steps", "guidance_scale"):
            asked, built = getattr(self, name), getattr(shelved.plan, name)
            if asked is not None and asked != built:
                message = (
                    f"{shelved.reference} was built and judged with {name} {built}, and draws with no other"
                )
                raise ApiError(400, "invalid_value", message, name)

    def _size(self, shelved: Shelved) -> tuple[int, int]:
        """(height, width) in pixels."""
        card = shelved.card
        own = card.image_shape[1:]
        if self.size == "auto":
            return own
        found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", self.size)
        if not found:
            raise ApiError(400, "invalid_value", f'{self.size!r} is no size: "auto" or "64x64"', "size")
        width, height = int(found[1]), int(found[2])
        step = card.size_multiple
        if (height, width) != own and not card.any_size:
            raise ApiError(400, "invalid_value", f"{card.name} draws {own[1]}x{own[0]} alone", "size")
        if height % step or width % step or height * width > 4 * own[0] * own[1]:
            most = f"at most four times the {own[1]}x{own[0]} that it was made for"
            raise ApiError(400, "invalid_value", f"both sides must be multiples of {step}, {most}", "size")
        return height, width


class Generation(Wanted):
    """The body of /v1/images/generations."""

    response_format: Literal["b64_json"] = "b64_json"
    output_format: Format = "png"
    output_compression: int | None = Field(default=None, ge=0, le=100)
    quality: Literal["auto"] = "auto"
    stream: bool = False
    partial_images: int = Field(default=0, ge=0, le=3)


class JobWanted(Wanted):
    """The body of /v1/jobs."""

    priority: int = Field(default=0, ge=-10, le=0)
    deadline_s: float | None = Field(default=None, gt=0, le=7 * 86400)
