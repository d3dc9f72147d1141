"""/v1/jobs: pictures that are asked for now and fetched later. A job outlives connection and server."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from burnish.core.job import Job
from burnish.serve.engine.board import Event
from burnish.serve.http.bodies import JobWanted
from burnish.serve.http.errors import ApiError
from burnish.serve.http.server import Server, client_of, key_of, require

router = APIRouter(prefix="/v1/jobs")


@router.post("", status_code=202)
async def create(request: Request, body: JobWanted) -> dict[str, Any]:
    """Accepts a job; sent again with the same Idempotency-Key, the job of then."""
    server = require(request, "generate")
    ask = body.ask(server.shelf.find(body.model or server.default))
    job = await server.engine.submit(
        ask,
        client_of(request, body.user),
        priority=body.priority,
        key=key_of(request, "jobs"),
        deadline_at=time.time() + body.deadline_s if body.deadline_s else 0.0,
    )
    return _told(job, server.engine.board.places())


@router.get("")
async def listed(
    request: Request,
    user: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: float | None = None,
) -> dict[str, Any]:
    """A client's jobs, the newest first; `before` is the `created_at` of the last one seen."""
    server = require(request, "generate")
    jobs = await server.engine.of_client(client_of(request, user), limit, before)
    places = server.engine.board.places()
    return {"object": "list", "data": [_told(job, places) for job in jobs]}


@router.get("/{job_id}")
async def get(request: Request, job_id: str) -> dict[str, Any]:
    """A job as it is now."""
    server = require(request, "generate")
    return _told(await _owned(request, server, job_id), server.engine.board.places())


@router.get("/{job_id}/events", response_model=None)
async def events(request: Request, job_id: str, previews: bool = False) -> Response:
    """What happens to a job, as server-sent events, to its end; it goes on when no one listens."""
    server = require(request, "generate")
    job = await _owned(request, server, job_id)
    return StreamingResponse(_events(server, job, previews), media_type="text/event-stream")


@router.get("/{job_id}/pictures/{index}", response_model=None)
async def picture(request: Request, job_id: str, index: int) -> Response:
    """One of its pictures, a PNG file that says how it was made."""
    server = require(request, "generate")
    job = await _owned(request, server, job_id)
    if not 0 <= index < len(job.pictures):
        raise ApiError(404, "not_found", f"the job {job_id} has no picture {index}", "index")
    path = server.engine.pictures.path(job.pictures[index])
    if not path.is_file():
        raise ApiError(410, "gone", "the picture is not kept any more", "index")
    return FileResponse(path, media_type="image/png", headers={"ETag": f'"{job.pictures[index]}"'})


@router.post("/{job_id}/cancel")
async def cancel(request: Request, job_id: str) -> dict[str, Any]:
    """Ends a job that has not ended; asked again, nothing more happens."""
    server = require(request, "generate")
    await _owned(request, server, job_id)
    ended = await server.engine.cancel(job_id) or await _owned(request, server, job_id)
    return _told(ended, {})


async def _owned(request: Request, server: Server, job_id: str) -> Job:
    """A job of the client's own; another's is not there for it."""
    job = await server.engine.get(job_id)
    name = request.state.key.name
    if job is None or job.client.split("/")[0] != name:
        raise ApiError(404, "not_found", f"there is no job {job_id[:64]!r}", "job_id")
    return job


async def _events(server: Server, job: Job, previews: bool) -> AsyncIterator[str]:
    async for event in server.engine.watch(job.id, previews=previews):
        yield f"event: {event.job.status}\ndata: {json.dumps(_happened(server, event))}\n\n"


def _happened(server: Server, event: Event) -> dict[str, Any]:
    shown = [base64.b64encode(preview).decode() for preview in event.previews]
    places = server.engine.board.places() if event.job.status == "queued" else {}
    return _told(event.job, places) | {"step": event.step, "steps": event.steps, "previews": shown}


def _told(job: Job, places: Mapping[str, int]) -> dict[str, Any]:
    plain = job.model_dump(mode="json", exclude={"schema_version", "client", "key", "crashes", "pictures"})
    pictures = [f"/v1/jobs/{job.id}/pictures/{k}" for k in range(len(job.pictures))]
    return plain | {"object": "job", "ahead": places.get(job.id, 0), "pictures": pictures}
