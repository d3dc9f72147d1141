"""What the routes share: the engine, the shelf, the keys; and who is asking."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from burnish.serve.engine.engine import Engine
from burnish.serve.http.calls import Calls
from burnish.serve.http.errors import ApiError
from burnish.serve.http.keys import Keys, Scope
from burnish.serve.shelf import Shelf

MOST_KEY = 200


@dataclass(frozen=True, kw_only=True)
class Server:
    """All that answers. `default` is what is drawn from where a request names no model."""

    engine: Engine
    shelf: Shelf
    keys: Keys
    calls: Calls
    default: str


def server_of(request: Request) -> Server:
    """Of the application that was asked."""
    found: Server = request.app.state.server
    return found


def require(request: Request, scope: Scope) -> Server:
    """The server, where the request's key may do this; raises ApiError."""
    server = server_of(request)
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    key = server.keys.find(secret) if kind.lower() == "bearer" and secret else None
    if key is None:
        raise ApiError(401, "invalid_api_key", "Give a key: Authorization: Bearer bk-...")
    if not key.may(scope):
        raise ApiError(403, "missing_scope", f"the key {key.name} may {key.scope}, and this asks for {scope}")
    request.state.key = key
    return server


def key_of(request: Request, kind: str) -> str:
    """The client's own key for one request of a kind; raises ApiError where it is far too long."""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MOST_KEY:
        raise ApiError(400, "invalid_value", f"may have {MOST_KEY} characters", "Idempotency-Key")
    return f"{kind}:{key}" if key else ""


def client_of(request: Request, user: str = "") -> str:
    """Between whom the queue is fair: a key's name, and of it the user that it speaks for."""
    name: str = request.state.key.name
    return f"{name}/{user}" if user else name
