"""Pull requests that wait: who asks for messages is answered when there are some.

Flower's SuperNode asks for messages and, where there is none, sleeps 3 s; its ServerApp's grid
does likewise. And a message can be pulled as soon as it is announced, before the objects that it
consists of were uploaded; who comes that early sleeps another second. So the SuperLink's gate
holds a pull request back until something was pushed for it, all of it, or until its time is up:
then it is answered as it would have been at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from flwr.proto.fleet_pb2 import PullMessagesResponse, PushMessagesResponse
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.proto.runtime_pb2 import PullAppMessagesResponse, PushAppMessagesResponse

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Seconds for which a pull is held, at most. A SuperNode gives an answer up after 5 s. What a
#: ServerApp waits for may also end by time, without a push: a site goes away, a message ends.
FLEET_HOLD_S, RUNTIME_HOLD_S = 3.5, 1.0
#: An upload in which nothing has happened for this long is given up.
STALLED_S = 2.0

_PULL, _PUSH, _OBJECT = "pull-messages", "push-messages", "push-object"


class _Direction:
    """Messages one way, from those who push to those who pull."""

    def __init__(self, hold_s: float, pulled: Any, pushed: Any) -> None:
        self.hold_s, self.pulled, self.pushed = hold_s, pulled, pushed
        self._event = asyncio.Event()
        self._uploads: dict[str, tuple[int, float]] = {}  # session -> objects to come, last one at

    @property
    def next_push(self) -> asyncio.Event:
        """Set at the end of the next upload."""
        return self._event

    def announce(self, session: str, objects: int) -> None:
        """Note a push whose objects come next."""
        if objects:
            self._uploads[session] = (objects, time.monotonic())
        else:
            self._ring()

    def arrived(self, session: str) -> None:
        """Note that one of the objects came."""
        left, _ = self._uploads.pop(session, (1, 0.0))
        self.announce(session, left - 1)

    def uploading(self) -> bool:
        """Whether something was announced that is not here yet."""
        now = time.monotonic()
        stalled = [key for key, (_, at) in self._uploads.items() if now - at > STALLED_S]
        for session in stalled:
            del self._uploads[session]
        return bool(self._uploads)

    def _ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()


class LongPoll:
    """ASGI middleware in front of Flower's SuperLink.

    Parameters
    ----------
    app : ASGI application
        Flower's SuperLink.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        to_sites = _Direction(FLEET_HOLD_S, PullMessagesResponse, PushAppMessagesResponse)
        to_jobs = _Direction(RUNTIME_HOLD_S, PullAppMessagesResponse, PushMessagesResponse)
        self._pulls = {f"/v1/fleet/{_PULL}": to_sites, f"/v1/runtime/{_PULL}": to_jobs}
        self._pushes = {f"/v1/runtime/{_PUSH}": to_sites, f"/v1/fleet/{_PUSH}": to_jobs}
        self._objects = {f"/v1/runtime/{_OBJECT}": to_sites, f"/v1/fleet/{_OBJECT}": to_jobs}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on: at once, or, where it asks for messages, when there are some."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path in self._pulls:
            await self._pull(self._pulls[path], scope, receive, send)
        elif path in self._pushes:
            answer = await self._pass_on(scope, await _body(receive), send)
            if answer is not None:
                said = self._pushes[path].pushed.FromString(answer)
                self._pushes[path].announce(said.session_id, len(said.objects_to_push))
        elif path in self._objects:
            body = await _body(receive)
            if await self._pass_on(scope, body, send) is not None and body is not None:
                session = PushObjectRequest.FromString(body).session_id
                self._objects[path].arrived(session)
        else:
            await self._app(scope, receive, send)

    async def _pull(
        self, direction: _Direction, scope: Scope, receive: Receive, send: Send
    ) -> None:
        end = time.monotonic() + direction.hold_s
        body = await _body(receive)
        # What is handed to somebody who is gone is lost: nobody gets it a second time.
        gone = asyncio.ensure_future(receive())
        try:
            while body is not None:
                pushed = direction.next_push
                left = end - time.monotonic()
                if not direction.uploading() or left <= 0:
                    events = await _answer(self._app, scope, body)
                    if left <= 0 or _messages(events, direction.pulled):
                        for event in events:
                            await send(event)
                        return
                waiting = asyncio.ensure_future(pushed.wait())
                await asyncio.wait(
                    {waiting, gone},
                    timeout=max(0.0, min(left, STALLED_S)),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                waiting.cancel()
                if gone.done():
                    return
        finally:
            gone.cancel()

    async def _pass_on(self, scope: Scope, body: bytes | None, send: Send) -> bytes | None:
        """Answer a request; return the answer's body if all went well."""
        if body is None:
            return None
        events = await _answer(self._app, scope, body)
        for event in events:
            await send(event)
        return _content(events)


async def _body(receive: Receive) -> bytes | None:
    """Return a request's whole body, or None where the client left before its end."""
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        parts.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(parts)


async def _answer(app: App, scope: Scope, body: bytes) -> list[Event]:
    """Ask the app, with a copy of the scope: it writes into it."""
    events: list[Event] = []
    asked, answered = asyncio.Event(), asyncio.Event()

    async def receive() -> Event:
        if asked.is_set():
            await answered.wait()
            return {"type": "http.disconnect"}
        asked.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Event) -> None:
        events.append(event)
        if event["type"] == "http.response.body" and not event.get("more_body", False):
            answered.set()

    await app({**scope, "state": dict(scope.get("state", {}))}, receive, send)
    return events


def _content(events: list[Event]) -> bytes | None:
    """Return an answer's body, or None where it is an error."""
    if events[0]["status"] != 200:
        return None
    return b"".join(event.get("body", b"") for event in events[1:])


def _messages(events: list[Event], kind: Any) -> bool:
    """Whether a pull has brought something: a message, or an error."""
    content = _content(events)
    return content is None or bool(kind.FromString(content).messages_list)
