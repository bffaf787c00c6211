from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from memory_grid import MemoryGrid, says

from edufed.wire import pack, size
from server.exchange import exchange


def test_answers_failures_refusals_and_silence_are_told_apart() -> None:
    grid = MemoryGrid(
        {
            1: says("north", n=3),
            2: says("south", "failed", reason="no file"),
            3: says("east", "refused", reason="closed"),
            4: lambda *_: None,
            5: lambda *_: Error(code=1, reason="worse\nand a record"),
            6: lambda *_: RecordDict({}),
            7: lambda *_: Error(code=ErrorCode.NODE_UNAVAILABLE, reason="Error: Node Unavailable"),
            8: lambda *_: Error(code=ErrorCode.MESSAGE_UNAVAILABLE, reason="Error: Message"),
        }
    )
    outcome = exchange(grid, "query.hello", dict.fromkeys(grid.nodes, pack({"a": 1})), 3.0)
    assert outcome.replies.keys() == {1}
    assert outcome.replies[1].meta["n"] == 3
    assert outcome.failures[2] == "no file"
    assert outcome.failures[3] == "closed"
    assert outcome.refused == {3}
    assert outcome.failures[4] == "no answer within 3 s"
    assert outcome.failures[5] == "the site's process failed: worse"
    assert outcome.failures[6].startswith("not a message of ours")
    assert outcome.failures[7] == "the site is not connected"
    assert outcome.failures[8] == "its answer was lost on the way"
    assert outcome.silent == {4, 5, 7, 8}
    assert outcome.messages == 8 + 7


def test_a_message_that_has_expired_is_one_without_an_answer() -> None:
    class Expiring(MemoryGrid):
        def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
            time.sleep(0.3)
            return super().pull_messages(message_ids)

    expired = Error(code=ErrorCode.MESSAGE_UNAVAILABLE, reason="Error: Message Unavailable")
    outcome = exchange(Expiring({1: lambda *_: expired}), "query.hello", {1: pack({})}, 0.2)
    assert outcome.failures == {1: "no answer within 0.2 s"}
    assert outcome.silent == {1}


def test_bytes_are_counted_by_message_though_content_is_shared() -> None:
    grid = MemoryGrid({1: says("a"), 2: says("b")})
    content = pack({"a": 1}, {"x": np.zeros(100)})
    outcome = exchange(grid, "query.hello", dict.fromkeys((1, 2), content), 1.0)
    assert outcome.bytes_down == 2 * size(content)
    assert outcome.bytes_up > 0


def test_a_message_that_cannot_be_sent_is_a_silent_failure() -> None:
    grid = MemoryGrid({1: says("a"), 2: says("b")})
    grid.unsendable = {2}
    outcome = exchange(grid, "query.hello", dict.fromkeys((1, 2), pack({"a": 1})), 1.0)
    assert outcome.replies.keys() == {1}
    assert outcome.failures == {2: "the message could not be sent"}
    assert outcome.silent == {2}
