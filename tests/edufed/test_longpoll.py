from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flwr.proto.fleet_pb2 import PullMessagesResponse, PushMessagesResponse
from flwr.proto.message_pb2 import Message, PushObjectRequest, PushObjectResponse
from flwr.proto.runtime_pb2 import PullAppMessagesResponse, PushAppMessagesResponse

from edufed import longpoll
from edufed.longpoll import LongPoll


class SuperLink:
    """As much of Flower's as the gate sees: messages that are announced, objects, pulls."""

    def __init__(self) -> None:
        self.pulls = 0
        self.waiting = False
        self.objects: list[str] = []
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        api, call = scope["path"].split("/")[2:]
        to_sites = (api == "fleet") == (call == "pull-messages")
        answer: Any
        if call == "pull-messages":
            self.pulls += 1
            answer = (PullMessagesResponse if to_sites else PullAppMessagesResponse)(
                messages_list=[Message()] if self.waiting else []
            )
        elif call == "push-messages":
            self.waiting = True
            answer = (PushAppMessagesResponse if to_sites else PushMessagesResponse)(
                session_id="session", objects_to_push=self.objects
            )
        else:
            answer = PushObjectResponse(stored=True)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": answer.SerializeToString()})
        assert (await receive())["type"] == "http.disconnect"


class Caller:
    """One request; it stays until it leaves."""

    def __init__(self, app: LongPoll, path: str, body: bytes = b"") -> None:
        self.events: list[dict[str, Any]] = []
        self._left = asyncio.Event()
        self._asked = [{"type": "http.request", "body": body[:3], "more_body": True}]
        self._asked += [{"type": "http.request", "body": body[3:]}]
        scope = {"type": "http", "path": path}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            return self._asked.pop(0)
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, event: Any) -> None:
        self.events.append(event)

    def leave(self) -> None:
        self._left.set()

    @property
    def answer(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.events)


Play = Callable[[SuperLink, LongPoll, str, str], Awaitable[None]]


def play(scene: Play, pulls: str = "fleet", pushes: str = "runtime") -> None:
    superlink = SuperLink()
    asyncio.run(scene(superlink, LongPoll(superlink), f"/v1/{pulls}/", f"/v1/{pushes}/"))


@pytest.mark.parametrize(("pulls", "pushes"), [("fleet", "runtime"), ("runtime", "fleet")])
def test_a_pull_is_answered_when_a_message_is_there_with_all_its_objects(
    pulls: str, pushes: str
) -> None:
    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        early = Caller(app, pull + "pull-messages")
        await asyncio.sleep(0.05)
        assert superlink.pulls == 1
        superlink.objects = ["a", "b"]
        await Caller(app, push + "push-messages").task
        late = Caller(app, pull + "pull-messages")
        body = PushObjectRequest(session_id="session").SerializeToString()
        await Caller(app, push + "push-object", body).task
        await asyncio.sleep(0.05)
        assert superlink.pulls == 1, "one object is still to come"
        await Caller(app, push + "push-object", body).task
        await asyncio.wait_for(asyncio.gather(early.task, late.task), 1)
        assert early.answer
        assert late.answer

    play(scene, pulls, pushes)


def test_a_pull_is_answered_with_nothing_when_its_time_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(longpoll, "FLEET_HOLD_S", 0.2)

    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        started = time.monotonic()
        caller = Caller(app, pull + "pull-messages")
        await caller.task
        assert 0.2 <= time.monotonic() - started < 3  # not the 3.5 s that it holds else
        assert caller.events[0]["status"] == 200
        assert caller.answer == b""

    play(scene)


def test_an_error_is_passed_on_at_once() -> None:
    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        superlink.status = 401
        for call in (pull + "pull-messages", push + "push-messages", push + "push-object"):
            caller = Caller(app, call)
            await asyncio.wait_for(caller.task, 3)
            assert caller.events[0]["status"] == 401

    play(scene)


def test_who_left_is_given_nothing() -> None:
    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        caller = Caller(app, pull + "pull-messages")
        await asyncio.sleep(0.05)
        caller.leave()
        await asyncio.wait_for(caller.task, 3)
        await Caller(app, push + "push-messages").task
        assert superlink.pulls == 1
        assert caller.events == []

    play(scene)


def test_an_upload_that_stalls_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longpoll, "STALLED_S", 0.1)

    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        superlink.objects = ["never"]
        await Caller(app, push + "push-messages").task
        await asyncio.sleep(0.15)
        caller = Caller(app, pull + "pull-messages")
        await asyncio.wait_for(caller.task, 3)
        assert caller.answer

    play(scene)


def test_other_requests_go_straight_through() -> None:
    async def scene(superlink: SuperLink, app: LongPoll, pull: str, push: str) -> None:
        caller = Caller(app, pull + "get-run")
        await asyncio.sleep(0.05)
        caller.leave()
        assert caller.events[0]["status"] == 200

    play(scene)
