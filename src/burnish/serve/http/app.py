"""The application: routes, what surrounds them, and the start and end of the engine behind them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response

from burnish.serve.engine.engine import Engine
from burnish.serve.http import errors, health, images, jobs
from burnish.serve.http.calls import Calls
from burnish.serve.http.keys import Keys
from burnish.serve.http.server import Server
from burnish.serve.shelf import Shelf

LOG = logging.getLogger(__name__)
LOOK_S = 2.0  # between looks at the registry
MOST_BODY = 1 << 20  # bytes of a request without a picture


def application(engine: Engine, shelf: Shelf, keys: Keys, default: str) -> FastAPI:
    """An application that begins the engine when it starts and ends it when it stops."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        looking = asyncio.create_task(_look(shelf))
        app.state.ready = True
        try:
            yield
        finally:
            app.state.ready = False
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await engine.stop()
            shelf.close()

    app = FastAPI(
        title="Burnish", lifespan=life, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json"
    )
    app.state.ready = False
    app.state.server = Server(engine=engine, shelf=shelf, keys=keys, calls=Calls(engine), default=default)
    app.middleware("http")(_around)
    errors.install(app)
    for router in (health.router, images.router, jobs.router):
        app.include_router(router)
    return app


async def _around(request: Request, go: Callable[[Request], Awaitable[Response]]) -> Response:
    """Bodies within bounds; an id that client and log share; nothing a browser may guess at."""
    length = request.headers.get("Content-Length", "0")
    chunked = "Transfer-Encoding" in request.headers
    if chunked or not length.isdigit() or int(length) > MOST_BODY:
        return errors.answer(413, "too_large", f"a body may have {MOST_BODY} bytes, and must say how many")
    response = await go(request)
    response.headers["x-request-id"] = uuid.uuid4().hex
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


async def _look(shelf: Shelf) -> None:
    """A promotion takes effect without a restart; a registry that is away changes nothing."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await asyncio.to_thread(shelf.look)
        except Exception:  # whatever it is: what is served goes on
            LOG.exception("the registry could not be looked at")
