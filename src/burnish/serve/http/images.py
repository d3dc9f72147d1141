"""/v1/images/generations and /v1/models, as OpenAI's clients use them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from burnish.core.job import Job
from burnish.serve.engine.board import Event
from burnish.serve.http.bodies import Format, Generation
from burnish.serve.http.calls import followed
from burnish.serve.http.errors import ApiError
from burnish.serve.http.server import Server, client_of, key_of, require
from burnish.serve.shelf import Shelved

router = APIRouter(prefix="/v1")
AGAIN = "x-stainless-retry-count"  # how often OpenAI's client has sent this before
FAILED = {"deadline": 504, "crashed": 500, "refused": 400}


@router.get("/models")
async def models(request: Request) -> dict[str, Any]:
    """Every release and alias that can be asked for."""
    server = require(request, "generate")
    return {
        "object": "list",
        "data": [_model(name, server.shelf.find(name)) for name in server.shelf.names()],
    }


@router.get("/models/{model}")
async def model(request: Request, model: str) -> dict[str, Any]:
    """What one of them can do."""
    return _model(model, require(request, "generate").shelf.find(model))


@router.post("/images/generations", response_model=None)
async def generate(request: Request, body: Generation) -> dict[str, Any] | Response:
    """Pictures of a prompt, once they are drawn, or as they come."""
    server = require(request, "generate")
    shelved = server.shelf.find(body.model or server.default)
    ask = body.ask(shelved)
    client = client_of(request, body.user)
    key = key_of(request, "images")
    call = (client, key or hashlib.sha256(body.model_dump_json().encode()).hexdigest())
    # Where the client says neither, two at once want two pictures; what it sends again it wants once.
    share = bool(key) or body.seed is not None or request.headers.get(AGAIN, "0") != "0"

    async def submit() -> Job:
        return await server.engine.submit(ask, client, key=key)

    held = AsyncExitStack()
    # What is refused is refused before the first byte, with its own status.
    job = await held.enter_async_context(server.calls.waiting(call, submit, share=share))
    if body.stream:
        return StreamingResponse(_streamed(server, body, job, held), media_type="text/event-stream")
    async with held:
        last = await followed(server.engine, job, request)
    _require_drawn(last)
    files = [await _encoded(server.engine.pictures.path(d).read_bytes(), body) for d in last.pictures]
    data = [{"b64_json": base64.b64encode(file).decode()} for file in files]
    return {"created": int(last.ended_at), "data": data, **_said(server, body, last)}


async def _streamed(server: Server, body: Generation, job: Job, held: AsyncExitStack) -> AsyncIterator[str]:
    """Server-sent events: previews as they come, then each picture."""
    last = job
    async with held:
        async for event in server.engine.watch(job.id, previews=body.partial_images > 0):
            last = event.job
            for index, preview in _partial(event, body.partial_images):
                yield await _event("image_generation.partial_image", preview, body, partial_image_index=index)
    if last.status != "succeeded":
        message = last.failure.message if last.failure else "the job was cancelled"
        error = {"message": message, "type": "server_error", "code": last.status}
        yield f"data: {json.dumps({'error': error})}\n\n"
        return
    for digest in last.pictures:
        file = server.engine.pictures.path(digest).read_bytes()
        yield await _event("image_generation.completed", file, body, **_said(server, body, last))
    yield "data: [DONE]\n\n"


def _partial(event: Event, wanted: int) -> list[tuple[int, bytes]]:
    """The previews to send at this step: so many of all steps, spread evenly."""
    if not wanted or not event.previews or not event.steps:
        return []
    chosen = [max(1, round(event.steps * (k + 1) / (wanted + 1))) for k in range(wanted)]
    return [(chosen.index(event.step), event.previews[0])] if event.step in chosen else []


async def _event(kind: str, file: bytes, body: Generation, **more: Any) -> str:
    data = base64.b64encode(await _encoded(file, body)).decode()
    said = {
        "type": kind,
        "b64_json": data,
        "created_at": int(time.time()),
        "output_format": body.output_format,
    }
    said |= {"size": body.size, "quality": body.quality, "background": "opaque", **more}
    return f"event: {kind}\ndata: {json.dumps(said)}\n\n"


async def _encoded(file: bytes, body: Generation) -> bytes:
    if body.output_format == "png":
        return file
    return await run_in_threadpool(_converted, file, body.output_format, body.output_compression)


def _converted(file: bytes, kind: Format, quality: int | None) -> bytes:
    data = io.BytesIO()
    with Image.open(io.BytesIO(file), formats=("PNG",)) as image:
        image.convert("RGB").save(data, format=kind.upper(), quality=90 if quality is None else quality)
    return data.getvalue()


def _require_drawn(job: Job) -> None:
    if job.failure is not None:
        raise ApiError(FAILED[job.failure.code], job.failure.code, job.failure.message)
    if job.status != "succeeded":
        raise ApiError(409, "cancelled", "the job was cancelled")


def _said(server: Server, body: Generation, job: Job) -> dict[str, Any]:
    """Everything that the pictures depend on, so that they can be asked for again."""
    ask, shelved = job.ask, server.shelf.of(job.ask.release)
    return {
        "size": f"{ask.width}x{ask.height}",
        "quality": body.quality,
        "output_format": body.output_format,
        "burnish": {
            "job": job.id,
            "release": str(shelved.reference),
            "digest": ask.release,
            "standing": shelved.release.standing,
            "seeds": list(ask.seeds),
            "negative_prompt": ask.negative_prompt,
            "num_inference_steps": shelved.plan.num_inference_steps,
            "guidance_scale": shelved.plan.guidance_scale,
        },
    }


def _model(name: str, shelved: Shelved) -> dict[str, Any]:
    card, plan = shelved.card, shelved.plan
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": shelved.release.released_by,
        "release": str(shelved.reference),
        "digest": shelved.digest,
        "standing": shelved.release.standing,
        "licence": shelved.release.licence,
        "size": f"{card.image_shape[2]}x{card.image_shape[1]}",
        "any_size": card.any_size,
        "num_inference_steps": plan.num_inference_steps,
        "guidance_scale": plan.guidance_scale,
    }
