"""Errors as OpenAI's clients read them: a status, and which field is wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from burnish.core.errors import BurnishError, ReleaseError, RequestError
from burnish.serve.engine.engine import FullError, KeyReusedError
from burnish.serve.engine.store import StoreError

LOG = logging.getLogger(__name__)
SOON = {"Retry-After": "2"}
KIND = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
STATUS: tuple[tuple[type[BurnishError], int, str], ...] = (
    (ReleaseError, 404, "model_not_found"),
    (RequestError, 400, "invalid_value"),
    (KeyReusedError, 409, "key_reused"),
)


class ApiError(Exception):
    """What a client is told: a status, a code for programs, the field, a sentence."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param


def answer(
    status: int, code: str, message: str, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error's body and headers."""
    kind = KIND.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Every error that a route raises gets this shape."""
    app.add_exception_handler(ApiError, _api)
    app.add_exception_handler(FullError, _full)
    app.add_exception_handler(BurnishError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)


async def _api(_: Request, error: Any) -> JSONResponse:
    return answer(error.status, error.code, error.message, error.param)


async def _full(_: Request, error: Any) -> JSONResponse:
    """A client of OpenAI's waits as long as it is told, but gives up where that is over two minutes."""
    wait = max(1, round(error.wait_s))
    return answer(429, "queue_full", str(error), headers={"Retry-After": str(wait)})


async def _ours(_: Request, error: Any) -> JSONResponse:
    if isinstance(error, StoreError):  # which names the database's place
        LOG.error("%s", error)
        return answer(503, "unavailable", "the jobs' database does not answer; ask again", headers=SOON)
    for kind, status, code in STATUS:
        if isinstance(error, kind):
            param = "model" if kind is ReleaseError else None
            return answer(status, code, str(error), param)
    return answer(500, "error", str(error))


async def _invalid(_: Request, error: Any) -> JSONResponse:
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    unknown = first["type"] == "extra_forbidden"
    message = f"{param or 'the body'} is not a field that is honoured here" if unknown else str(first["msg"])
    return answer(400, "unknown_parameter" if unknown else "invalid_value", message, param)


async def _plain(_: Request, error: Any) -> JSONResponse:
    return answer(error.status_code, "error", str(error.detail), headers=error.headers)
