"""One exchange: the same question to many sites, and what came back in time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from edufed.arrays import Arrays
from edufed.wire import WireError, size, unpack

#: Seconds between two looks for replies. `Grid.send_and_receive` sleeps 3 s when deployed.
POLL_S = 0.05
_LOST = "its answer was lost on the way"


@dataclass(frozen=True)
class Reply:
    """What one site answered; its arrays are unpacked anew each time they are asked for.

    A thousand sites' histograms are a few megabytes as they came, and gigabytes unpacked.
    """

    meta: dict[str, Any]
    content: RecordDict

    @property
    def arrays(self) -> Arrays:
        """Named arrays."""
        return unpack(self.content)[1]


@dataclass
class Exchange:
    """The outcome of one exchange.

    Attributes
    ----------
    replies : dict of int to Reply
        By node id; only those that answered what was asked.
    failures : dict of int to str
        By node id: one line why a site gave no usable answer.
    refused : set of int
        Those of `failures` whose site's policy said no.
    silent : set of int
        Those of `failures` from which nothing came: they may be back later.
    sites : dict of int to str
        What each node that answered calls itself.
    seconds : float
    messages, bytes_down, bytes_up : int
        Messages both ways; payload to the sites; payload from them.
    """

    replies: dict[int, Reply] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)
    sites: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    messages: int = 0
    bytes_down: int = 0
    bytes_up: int = 0


def total_cost(costs: list[Exchange]) -> Exchange:
    """What several exchanges have cost, as one; all else is the first one's."""
    return replace(
        costs[0],
        seconds=sum(cost.seconds for cost in costs),
        messages=sum(cost.messages for cost in costs),
        bytes_down=sum(cost.bytes_down for cost in costs),
        bytes_up=sum(cost.bytes_up for cost in costs),
    )


def exchange(
    grid: Grid, kind: str, contents: Mapping[int, RecordDict], timeout_s: float
) -> Exchange:
    """Send each node its content and wait for all answers, or until the timeout.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
    kind : str
        Message type, such as ``"train.horizontal"``.
    contents : mapping of int to RecordDict
        By node id.
    timeout_s : float
        Also the messages' time to live, so that a late site does not start on a stale one.
    """
    outcome = Exchange()
    started = time.monotonic()
    messages = [
        Message(content, dst_node_id=node, message_type=kind, ttl=timeout_s)
        for node, content in contents.items()
    ]
    # Nodes often share one content object: count its bytes once an object, not once a node.
    sizes = {id(content): size(content) for content in contents.values()}
    outcome.bytes_down = sum(sizes[id(content)] for content in contents.values())
    sent = dict(zip(contents, grid.push_messages(messages), strict=False))
    # A message that is too large has no id, and one to a node that was expelled an empty one.
    waiting = {message_id: node for node, message_id in sent.items() if message_id}
    unsent = set(contents) - set(waiting.values())
    outcome.failures.update(dict.fromkeys(unsent, "the message could not be sent"))
    outcome.silent.update(unsent)
    outcome.messages = len(waiting)
    while waiting:
        late = time.monotonic() - started >= timeout_s
        for message in grid.pull_messages(list(waiting)):
            node = waiting.pop(message.metadata.reply_to_message_id)
            outcome.messages += 1
            if message.has_error():
                over = time.monotonic() - started >= timeout_s
                outcome.failures[node] = _why(message.error, _late(timeout_s) if over else _LOST)
                outcome.silent.add(node)
            else:
                _take(outcome, node, message)
        if late:
            break
        if waiting:
            time.sleep(POLL_S)
    outcome.failures.update(dict.fromkeys(waiting.values(), _late(timeout_s)))
    outcome.silent.update(waiting.values())
    outcome.seconds = time.monotonic() - started
    return outcome


def _late(timeout_s: float) -> str:
    return f"no answer within {timeout_s:g} s"


def _take(outcome: Exchange, node: int, message: Message) -> None:
    outcome.bytes_up += size(message.content)
    try:
        meta, _ = unpack(message.content)
    except WireError as error:
        outcome.failures[node] = str(error)
        return
    outcome.sites[node] = str(meta.get("site", ""))
    if meta.get("status") == "ok":
        outcome.replies[node] = Reply(meta, message.content)
        return
    outcome.failures[node] = str(meta.get("reason", "no reason given"))[:300]
    if meta.get("status") == "refused":
        outcome.refused.add(node)


def _why(error: Error, absent: str) -> str:
    """Say in one line why Flower, or a site's worker, answered with an error.

    `absent` is said of a message that the SuperLink no longer has, or not the whole answer to it.
    """
    if error.code in (ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE):
        return absent
    if error.code == ErrorCode.NODE_UNAVAILABLE:
        return "the site is not connected"
    # The text may quote an exception of the site's code: keep its first line.
    reason = (error.reason or "unknown error").splitlines()[0][:200]
    return f"the site's process failed: {reason}"
