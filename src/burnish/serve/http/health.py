"""Whether the server lives, and whether it is ready: for what starts and watches it, without a key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

router = APIRouter()


@router.get("/livez")
async def live() -> dict[str, str]:
    """It answers."""
    return {"status": "live"}


@router.get("/startupz")
@router.get("/readyz")
async def ready(request: Request) -> JSONResponse:
    """It takes requests: the engine runs, and there is a release to draw from."""
    state = request.app.state
    is_ready = state.ready and bool(state.server.shelf.names())
    return JSONResponse({"status": "ready" if is_ready else "starting"}, 200 if is_ready else 503)
