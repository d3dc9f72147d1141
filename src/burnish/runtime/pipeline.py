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

from burnish.core.bundle import PIECES, WHOLE, Bundle, Role, text_lengths
from burnish.core.errors import BundleError, NotFiniteError, RequestError
from burnish.core.files import digest, read_text
from burnish.core.noise import noise
from burnish.core.program import Program
from burnish.runtime.denoiser import Denoiser, Observe
from burnish.runtime.engines import open_graphs
from burnish.runtime.graphs import CompiledGraph, Shape
from burnish.runtime.manifest import files_of, inside, open_manifest
from burnish.runtime.request import Pixels, Request
from burnish.runtime.sampler import sample
from burnish.runtime.text import PromptTokenizer
from burnish.runtime.told import Key, Teller

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
        streams: int = 0,
        observe: Observe | None = None,
    ) -> None:
        """Opens and checks a bundle; `observe` sees role and inputs of every graph of a denoiser call.

        `streams` passes of the denoiser run side by side, where the plan's own number is not wanted.
        """
        self.directory = Path(directory)
        self.threads = threads
        self.bundle: Bundle = open_manifest(self.directory, verify=verify)
        self.program = Program.read(self.directory / self.bundle.program)
        self.streams = streams or self.bundle.plan.streams
        self._observe = observe
        self._graphs = self._compiled() if self.bundle.plan.runtime == "openvino" else self._opened()
        lengths = text_lengths(self.bundle.model)
        self._teller = Teller(
            bundle=self.bundle,
            graphs=self._graphs,
            tokenizers=[
                PromptTokenizer(self.directory / name, length)
                for name, length in zip(self.bundle.tokenizers, lengths, strict=False)
            ],
        )

    def _compiled(self) -> dict[Role, CompiledGraph]:
        core = ov.Core()
        return {
            g.role: CompiledGraph(
                core,
                inside(self.directory, g.file),
                g,
                identity=" ".join(self.bundle.files[name] for name in files_of(g)),
                threads=self.threads,
                streams=self.streams if g.role in (*WHOLE, *PIECES) else 1,
            )
            for g in self.bundle.graphs
        }

    def _opened(self) -> dict[Role, CompiledGraph]:
        """Graphs of another engine, which have what a CompiledGraph has."""
        self.streams = 1  # theirs is one
        return open_graphs(self.directory, self.bundle, threads=self.threads)

    def with_program(self, program: Program) -> Pipeline:
        """The same compiled graphs under another table, from noise only: how plans are tried unbuilt."""
        other = copy(self)
        other.program = program
        other.bundle = self.bundle.model_copy(update={"starts": ""})  # those belong to the bundle's own table
        return other

    def observed(self, observe: Observe) -> Pipeline:
        """The same compiled graphs; `observe` sees role and inputs of every graph of a denoiser call."""
        other = copy(self)
        other._observe = observe
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
        for i, calls, clean in self._cleaned(request):
            preview = partial(self._pixels, clean)
            yield Step(
                index=i,
                calls=calls,
                preview=preview,
                images=self._finish(request, preview()) if i == calls else None,
            )

    def latents(self, request: Request) -> Array:
        """Where the calls of a request end (n, c, h, w); raises RequestError as `steps` does."""
        *_, (_, _, clean) = self._cleaned(request)
        return clean

    def decoder_input(self, latents: Array) -> Array:
        """Latents (n, c, h, w) in the scale that the decoder was trained on."""
        card = self.bundle.model
        return latents / np.float32(card.scaling_factor) + np.float32(card.shift_factor)

    def _cleaned(self, request: Request) -> Iterator[tuple[int, int, Array]]:
        """The clean estimate of each call: (i, calls, estimate), then (calls, calls, x_N)."""
        request.check(self.bundle)
        program, start, known = self._begin(request)
        bound = self._bound(request, program, start, alone=program.passes == program.calls)

        def denoise(i: int, x: Array, scaled: Array) -> Array:
            m = bound(i, scaled)
            if known is None:
                return m
            clean, repaint = known
            a, b = program.estimate[i]
            # Outside the mask the output is the one that points at the given picture, so the
            # table needs no change and multistep histories stay consistent.
            return repaint * m + (1 - repaint) * ((clean - a * x) / b).astype(np.float32)

        fresh = partial(self._fresh, request.seeds, start.shape[1:])
        for i, _, clean in sample(program, start, denoise, fresh):
            yield i, program.calls, clean

    def generate(self, request: Request) -> Pixels:
        """The pictures (n, height, width, 3; uint8) of a request."""
        for step in self.steps(request):
            if step.images is not None:
                return step.images
        raise BundleError("the program made no picture", "Build the bundle again")

    def denoiser(self, request: Request) -> tuple[Array, Denoiser]:
        """The initial noise (n, c, h, w) of a request, and the denoiser bound to what it asks for.

        Raises RequestError as `steps` does.
        """
        request.check(self.bundle)
        program, start, _ = self._begin(request)
        return start, self._bound(request, program, start)

    def first_outputs(self, request: Request) -> tuple[Array, Array]:
        """What the first denoiser call gives (n, c, h, w), unconditional and conditional, before guidance.

        Their difference is what the text or the class asks for. Raises RequestError as `steps` does, and
        where the model knows no unconditional pass.
        """
        start, bound = self.denoiser(request)
        scaled = (self.program.input_scale[0] * (self.program.rows[0].start * start)).astype(np.float32)
        found = bound.passes(0, scaled)
        if len(found) == 1:
            raise RequestError(f"{self.bundle.model.name} knows no unconditional pass", "Take another model")
        return found[1], found[0]

    def _bound(self, request: Request, program: Program, start: Array, *, alone: bool = False) -> Denoiser:
        """`alone` leaves out what the unconditional pass is told, where no call runs it."""
        self._prepare(request.count, start.shape[1:])
        size, silent = request.size(self.bundle), request.negative_prompt == ""
        told = [
            self._teller.told(program, keys, size, silent=k > 0 and silent)
            for k, keys in enumerate(self._keys(request)[: 1 if alone else None])
        ]
        return Denoiser(self._graphs, program, told, self._observe)

    def _keys(self, request: Request) -> list[list[Key]]:
        """The text or class of each picture, in the conditional pass and in the other if there is one."""
        count, card = request.count, self.bundle.model
        if self.bundle.tokenizers:
            conditional = _spread(request.prompts, count)
            two = card.guidance == "classifier-free"
            return [conditional, [request.negative_prompt] * count] if two else [conditional]
        if not request.class_labels:
            return [[None] * count]
        labels, null = _spread(request.class_labels, count), self.bundle.null_class
        return [labels] if null is None else [labels, [null] * count]

    def _prepare(self, count: int, latents: Shape) -> None:
        """Compiles the denoiser before the other graphs: what its compilation lets go, theirs takes up.

        Pieces of it beyond the first take what depends on the picture's size: they follow on their own.
        """
        first = self._graphs[self.bundle.denoiser[0]]
        known = {wire: shape for g in self.bundle.graphs for wire, shape in g.outputs.items()}
        one = {"condition": (), "attention_mask": (self.bundle.model.max_tokens,)}  # a class is a number
        shapes: dict[str, Shape] = {"sample": latents, **one, **known}
        first.prepare(*((count, *shapes[name]) for name in first.graph.inputs))

    def _run(self, role: Role, shape: Shape, sample: NDArray[Any]) -> Array:
        """The graph's output; raises BundleError where it has not the `shape` that all the rest expects."""
        (out,) = self._graphs[role]({"sample": sample}).values()
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
        latents = self._run("image_encoder", shape, pixels)
        card = self.bundle.model
        return (latents - np.float32(card.shift_factor)) * np.float32(card.scaling_factor)

    def _pixels(self, latents: Array) -> Pixels:
        x = latents
        if "decoder" in self._graphs:
            height, width = (side * self._factor for side in latents.shape[2:])
            shape = (1, self.bundle.model.image_shape[0], height, width)
            scaled = self.decoder_input(latents)
            x = np.concatenate([self._run("decoder", shape, one[None]) for one in scaled])
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
