"""A Flower Grid in memory: real messages, answered at once by functions instead of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from flwr.app import Error, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from edufed.wire import pack, unpack

#: What a node says: content, an error, or None for silence.
Answer = RecordDict | Error | None
Node = Callable[[str, dict[str, Any]], Answer]


class MemoryGrid(Grid):
    """Keeps each message's reply until it is pulled, as Flower's grids do."""

    def __init__(self, nodes: dict[int, Node]) -> None:
        # Flower stamps every message with the run that a process works for.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self.nodes = nodes
        self.replies: dict[str, Message] = {}
        self.unsendable: set[int] = set()
        self.names: dict[int, str] = {}  # deployed, of the enrolled

    def set_run(self, run: Any) -> None:
        raise NotImplementedError

    @property
    def run(self) -> Any:
        raise NotImplementedError

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.nodes)

    def get_nodes(self) -> Iterable[NodeInfo]:
        return [NodeInfo(node_id=node, name=self.names.get(node, "")) for node in self.nodes]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        sent = []
        for message in messages:
            if message.metadata.dst_node_id in self.unsendable:
                continue
            name = str(uuid4())
            message.metadata.__dict__["_message_id"] = name
            sent.append(name)
            meta, _ = unpack(message.content)
            answer = self.nodes[message.metadata.dst_node_id](message.metadata.message_type, meta)
            if answer is not None:
                self.replies[name] = Message(answer, reply_to=message)
        return sent

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self.replies.pop(name) for name in list(message_ids) if name in self.replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: Any = None) -> Any:
        raise NotImplementedError


def says(site: str, status: str = "ok", **meta: Any) -> Node:
    """Return a node that always gives the same answer."""
    return lambda _kind, _meta: pack({"site": site, "status": status, **meta})


def greets(site: str) -> Node:
    """Return a node that answers `hello` as asked."""
    return says(
        site,
        courses=[],
        n_train=1,
        n_valid=1,
        n_test=1,
        missing=[],
        quality={"site": site, "rows": 0, "rejected": 0, "reasons": {}},
        seconds_features=0.0,
    )
