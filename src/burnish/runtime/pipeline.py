"""Pipeline: an open bundle. `steps` yields every denoiser call; the last step holds the pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from pydantic import ValidationError

from burnish.core.bundle import Bundle, Role
from burnish.core.errors import BundleError, NotFiniteError, RequestError
from burnish.core.files import digest, read_text
from burnish.core.noise import noise
from burnish.core.program import Program
from burnish.runtime.graphs import CompiledGraph, Shape
from burnish.runtime.manifest import files_of, inside, open_manifest
from burnish.runtime.request import Pixels, Request
from burnish.runtime.sampler import sample
from burnish.runtime.text import PromptTokenizer

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One denoiser call done. `preview()` decodes the clean estimate; `images` is set on the last."""

    index: int
    calls: int
    preview: Callable[[], Pixels]
    images: Pixels | None = None


class Pipeline:
    """Makes pictures from one bundle. Holds compiled graphs and nothing else that changes."""

    def __init__(
        self,
        directory: Path | str,
        *,
        verify: bool = True,
        threads: int = 0,
        observe: Callable[[dict[str, NDArray[Any]]], None] | None = None,
    ) -> None:
        """Opens and checks a bundle; `observe` is shown the inputs of every denoiser call."""
        self.directory = Path(directory)
        self.threads = threads
        self.bundle: Bundle = open_manifest(self.directory, verify=verify)
        self.program = Program.read(self.directory / self.bundle.program)
        self._observe = observe
        core = ov.Core()
        self._graphs = {
            g.role: CompiledGraph(
                core,
                inside(self.directory, g.file),
                g,
                identity=" ".join(self.bundle.files[name] for name in files_of(g)),
                threads=threads,
            )
            for g in self.bundle.graphs
        }
        self._tokenizer = (
            PromptTokenizer(self.directory / self.bundle.tokenizer, self.bundle.model.max_tokens)
            if self.bundle.tokenizer
            else None
        )

    def with_program(self, program: Program) -> Pipeline:
        """The same compiled graphs under another table, from noise only: how plans are tried unbuilt."""
        other = copy(self)
        other.program = program
        other.bundle = self.bundle.model_copy(update={"starts": ""})  # those belong to the bundle's own table
        return other

    def start_program(self, k: int) -> Program:
        """The program that begins at step k with a picture; k = 0 is the whole program."""
        if k == 0:
            return self.program
        path = self.directory / self.bundle.starts
        if digest(path) != self.bundle.files[self.bundle.starts]:
            raise BundleError(f"{path} is not the file that its bundle names", "Open the bundle again")
        try:
            return Program.model_validate(json.loads(read_text(path))[k - 1])
        except ValidationError as error:
            reason: object = error.errors()[0]["msg"]  # the whole of it is several lines
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            reason = error
        raise BundleError(f"{path} has no table to start at step {k}: {reason}", "Build it again")

    def steps(self, request: Request) -> Iterator[Step]:
        """Yields a Step a denoiser call, then one with `images` (n, h, w, 3; uint8). Stop any time.

        Raises RequestError before the first call when the request does not fit the bundle.
        """
        request.check(self.bundle)
        program, start, known = self._begin(request)
        self._prepare(request.count, start.shape[1:])
        passes = self._condition(request)
        timesteps = np.array(program.timesteps, dtype=np.float32)
        times = self._run("time_proj", (program.calls, *self._shape_of("time_proj")), timestep=timesteps)

        def denoise(i: int, x: Array, scaled: Array) -> Array:
            m = self._guided(scaled, times[i], program.guidance[i], passes)
            if known is None:
                return m
            clean, repaint = known
            a, b = program.estimate[i]
            # Outside the mask the output is the one that points at the given picture, so the
            # table needs no change and multistep histories stay consistent.
            return repaint * m + (1 - repaint) * ((clean - a * x) / b).astype(np.float32)

        fresh = partial(self._fresh, request.seeds, start.shape[1:])
        for i, _, clean in sample(program, start, denoise, fresh):
            last = i == program.calls
            preview = partial(self._pixels, clean)
            yield Step(
                index=i,
                calls=program.calls,
                preview=preview,
                images=self._finish(request, preview()) if last else None,
            )

    def generate(self, request: Request) -> Pixels:
        """The pictures (n, height, width, 3; uint8) of a request."""
        for step in self.steps(request):
            if step.images is not None:
                return step.images
        raise BundleError("the program made no picture", "Build the bundle again")

    def first_outputs(self, request: Request) -> tuple[Array, Array]:
        """What the first denoiser call gives (n, c, h, w), unconditional and conditional, before guidance.

        Their difference is what the text or the class asks for. Raises RequestError as `steps` does, and
        where the model knows no unconditional pass.
        """
        request.check(self.bundle)
        program, start, _ = self._begin(request)
        self._prepare(request.count, start.shape[1:])
        passes = self._condition(request)
        if "uncond" not in passes:
            raise RequestError(f"{self.bundle.model.name} knows no unconditional pass", "Take another model")
        timesteps = np.array(program.timesteps, dtype=np.float32)
        times = self._run("time_proj", (program.calls, *self._shape_of("time_proj")), timestep=timesteps)
        scaled = (program.input_scale[0] * (program.rows[0].start * start)).astype(np.float32)
        return self._denoise(scaled, times[0], passes["uncond"]), self._denoise(
            scaled, times[0], passes["cond"]
        )

    def _prepare(self, count: int, latents: Shape) -> None:
        """Compiles the denoiser before the other graphs: what its compilation lets go, theirs takes up."""
        shapes = {"sample": latents, "time_proj": self._shape_of("time_proj")}
        shapes["condition"] = self._shape_of("text_encoder")  # a class is one number
        denoiser = self._graphs["denoiser"]
        denoiser.prepare(*((count, *shapes[name]) for name in denoiser.graph.inputs))

    def _shape_of(self, role: Role) -> Shape:
        """The shape of one output of a graph at the model's own size; () where there is no such graph."""
        return next((g.output_shape for g in self.bundle.graphs if g.role == role), ())

    def _run(self, role: Role, shape: Shape, **inputs: NDArray[Any]) -> Array:
        """The graph's output; raises BundleError where it has not the `shape` that all the rest expects."""
        out = self._graphs[role](**inputs)
        if out.shape != shape:
            raise BundleError(f"{role} of {self.directory} gives {out.shape}, not {shape}", "Build it again")
        return out

    @staticmethod
    def _fresh(seeds: tuple[int, ...], shape: tuple[int, ...], j: int) -> Array:
        return noise(seeds, shape, draw=1 + j)

    def _begin(self, request: Request) -> tuple[Program, Array, tuple[Array, Array] | None]:
        height, width = request.size(self.bundle)
        factor = self._factor
        shape = (self.bundle.model.latent_shape[0], height // factor, width // factor)
        initial = noise(request.seeds, shape)
        if request.image is None:
            return self.program, initial, None
        steps = self.bundle.plan.num_inference_steps  # a step of some solvers is more than one call
        k = steps - min(int(steps * request.strength), steps)  # as diffusers counts strength
        clean = np.repeat(self.encode(request.image), request.count, axis=0)
        program = self.start_program(min(k, steps - 1))
        if program.image_scale:
            # rows[0].start multiplies the start, so the picture goes in over it
            initial = initial + (program.image_scale / program.rows[0].start) * clean
        if request.mask is None:
            return program, initial, None
        repaint = _shrink(request.mask, factor)
        return program, initial.astype(np.float32), (clean, repaint)

    def _condition(self, request: Request) -> dict[str, Array | NDArray[np.int64]]:
        """What the denoiser is told: "cond" and, where the model knows one, "uncond"."""
        if self._tokenizer is not None:
            prompts = _spread(request.prompts, request.count)
            distinct = list(dict.fromkeys([*prompts, request.negative_prompt]))
            states = {p: self._text_state(p) for p in distinct}
            return {
                "cond": np.stack([states[p] for p in prompts]),
                "uncond": np.stack([states[request.negative_prompt]] * request.count),
            }
        if request.class_labels:
            labels = np.array(_spread(request.class_labels, request.count), dtype=np.int64)
            if self.bundle.null_class is None:
                return {"cond": labels}
            return {"cond": labels, "uncond": np.full_like(labels, self.bundle.null_class)}
        return {}

    def _text_state(self, prompt: str) -> Array:
        assert self._tokenizer is not None  # noqa: S101 - only called where there is one
        shape = (1, *self._shape_of("text_encoder"))
        return self._run("text_encoder", shape, input_ids=self._tokenizer.ids([prompt]))[0]

    def _guided(self, x: Array, time_proj: Array, weight: float, passes: dict[str, Any]) -> Array:
        """Guided output u + w (c - u); w = 1 is the conditional pass alone."""
        if weight == 1.0 or "uncond" not in passes:
            return self._denoise(x, time_proj, passes.get("cond"))
        # Two passes of one batch each: a graph of twice the batch would be compiled beside this one,
        # for a second copy of the weights in memory and as long again at the start.
        u = self._denoise(x, time_proj, passes["uncond"])
        c = self._denoise(x, time_proj, passes["cond"])
        return u + np.float32(weight) * (c - u)

    def _denoise(self, x: Array, time_proj: Array, condition: NDArray[Any] | None) -> Array:
        inputs: dict[str, NDArray[Any]] = {
            "sample": x,
            "time_proj": np.tile(time_proj, (len(x), 1)),
        }
        if condition is not None:
            inputs["condition"] = condition
        if self._observe is not None:
            self._observe(inputs)
        return self._run("denoiser", x.shape, **inputs)

    @property
    def _factor(self) -> int:
        """Pixels a latent, along each side."""
        return self.bundle.model.image_shape[1] // self.bundle.model.latent_shape[1]

    @property
    def graphs(self) -> dict[Role, CompiledGraph]:
        """The compiled graphs by role, for timing them one by one."""
        return dict(self._graphs)

    def encode(self, image: Pixels) -> Array:
        """The latents (1, c, h, w) of one picture (height, width, 3; uint8)."""
        pixels = (image.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)[None]
        if "image_encoder" not in self._graphs:
            return pixels
        height, width = (side // self._factor for side in image.shape[:2])
        shape = (1, self.bundle.model.latent_shape[0], height, width)
        latents = self._run("image_encoder", shape, sample=pixels)
        return (latents - np.float32(self.bundle.shift_factor)) * np.float32(self.bundle.scaling_factor)

    def _pixels(self, latents: Array) -> Pixels:
        x = latents
        if "decoder" in self._graphs:
            scaled = latents / np.float32(self.bundle.scaling_factor) + np.float32(self.bundle.shift_factor)
            height, width = (side * self._factor for side in latents.shape[2:])
            shape = (1, self.bundle.model.image_shape[0], height, width)
            x = np.concatenate([self._run("decoder", shape, sample=one[None]) for one in scaled])
        if not np.isfinite(x).all():
            raise NotFiniteError(
                f"{self.directory} drew numbers that are not finite", "Build it again, in another precision"
            )
        bright = x.transpose(0, 2, 3, 1) * 0.5 + 0.5
        return (bright.clip(0, 1) * 255).round().astype(np.uint8)

    @staticmethod
    def _finish(request: Request, images: Pixels) -> Pixels:
        if request.image is None or request.mask is None:
            return images
        keep = request.mask.astype(np.float32)[None, :, :, None]
        return (keep * images + (1 - keep) * request.image[None]).round().astype(np.uint8)


def _spread(values: tuple[Any, ...], count: int) -> list[Any]:
    return list(values) * count if len(values) == 1 else list(values)


def _shrink(mask: NDArray[Any], factor: int) -> Array:
    """(1, 1, h, w): a latent is repainted where any of its pixels is."""
    height, width = mask.shape
    blocks = mask.astype(np.float32).reshape(height // factor, factor, width // factor, factor)
    return blocks.max(axis=(1, 3))[None, None]
