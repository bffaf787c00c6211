"""The SuperLink behind a gate: sites reach the Fleet API, and nothing else is open.

Flower 1.41 serves its three APIs on one port. The Fleet API (sites) is authenticated by node
keys; the Control API (submit a run, register a node) and the Runtime API (act as a ServerApp) are
open to whoever reaches the port. So this process listens twice: on the public address only
``/v1/fleet/`` is answered; on the loopback address everything is, the Control API to holders of
the operator token alone. (Taking tasks from the Runtime API is guarded by Flower's own SuperExec
secret.)

Run as ``python -m edufed.gate PUBLIC_ADDRESS TOKEN_FILE [flower-superlink options]``, where
``--host`` and ``--port`` give the loopback address. Uses of Flower that are not its public
interface: `create_app`, `SuperLinkLifespan`, `_parse_superlink_lifespan_config`.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
from flwr.supercore.http_logging import get_uvicorn_log_config
from flwr.superlink.cli.flower_superlink import (
    SuperLinkLifespan,
    _parse_superlink_lifespan_config,
)
from flwr.superlink.main import create_app

from edufed.deployment import host_and_port
from edufed.longpoll import LongPoll
from edufed.private_files import read_private

#: Header in which the operator's commands show the token.
OPERATOR_HEADER = "edufed-operator"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Gate:
    """ASGI middleware: decide by port, path and token, before Flower sees a request.

    Parameters
    ----------
    app : ASGI application
        Flower's SuperLink.
    admin_port : int
        Requests that came in on any other port are the public's.
    token : bytes
        The operator's.
    """

    def __init__(self, app: App, admin_port: int, token: bytes) -> None:
        self._app = app
        self._admin_port = admin_port
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404 as if there were nothing."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._may_pass(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _may_pass(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if scope["server"][1] != self._admin_port:
            return path.startswith("/v1/fleet/")
        if path.startswith("/v1/control/"):
            shown = dict(scope["headers"]).get(OPERATOR_HEADER.encode(), b"")
            return hmac.compare_digest(shown, self._token)
        return path.startswith("/v1/runtime/") or path == "/health"


def main() -> None:
    """Serve until SIGTERM."""
    public, token_file, *options = sys.argv[1:]
    sys.argv = ["flower-superlink", *options]
    config = _parse_superlink_lifespan_config()
    token = read_private(Path(token_file)).strip()
    app = create_app(config, SuperLinkLifespan)
    server = uvicorn.Server(
        uvicorn.Config(
            Gate(LongPoll(app), config.port, token),
            ssl_keyfile=config.ssl_keyfile,
            ssl_certfile=config.ssl_certfile,
            log_config=get_uvicorn_log_config(logging.INFO),
            # A site that keeps its connection open must not hold up a stop.
            timeout_graceful_shutdown=5,
        )
    )
    sockets = [_listen(*host_and_port(public)), _listen(config.host, config.port)]
    asyncio.run(server.serve(sockets=sockets))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise SystemExit(f"{host}:{port}: {error.strerror}; name another address or port") from None
    return listener


if __name__ == "__main__":
    main()
