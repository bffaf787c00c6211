"""Sites in this process: everything is as in a simulation but the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from clients.app import app
from edufed.config import Job
from edufed.privacy.simulated import simulated_roster
from server.checkpoint import Checkpoint
from server.federation import Federation

Outcome = TypeVar("Outcome")

#: Node, question, answer -> the answer that arrives; None: it never does.
Alter = Callable[[int, Message, Message], Message | None]


class Loopback:
    """The part of a Flower grid that a job uses; messages go straight to the ClientApp."""

    def __init__(self, sites: int, alter: Alter = lambda node, asked, answered: answered) -> None:
        self.alter = alter
        self.contexts = {
            node: Context(
                1, node, {"partition-id": node, "num-partitions": sites}, RecordDict(), {}
            )
            for node in range(sites)
        }
        self.replies: dict[str, Message] = {}
        self.sent = 0

    def get_nodes(self) -> Iterable[NodeInfo]:
        return [NodeInfo(node_id=node) for node in self.contexts]

    def get_node_ids(self) -> Iterable[int]:
        return list(self.contexts)

    def push_messages(self, messages: list[Message]) -> list[str]:
        names = []
        for message in messages:
            self.sent += 1
            message.metadata.__dict__["_message_id"] = str(self.sent)
            node = message.metadata.dst_node_id
            answered = app(message=message, context=self.contexts[node])
            reply = self.alter(node, message, answered)
            if reply is not None:
                self.replies[str(self.sent)] = reply
            names.append(str(self.sent))
        return names

    def pull_messages(self, names: list[str]) -> list[Message]:
        return [self.replies.pop(name) for name in names if name in self.replies]


@contextmanager
def flower_run() -> Iterator[None]:
    """Have Flower believe that this process is a run's: only there may messages be made."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_task_id", "_run_id", "_node_id"):
            patch.setattr(TaskIdentity, name, 1)
        yield


def in_one_process(
    job: Job, names: Sequence[str], run: Callable[..., Outcome], folder: Path
) -> tuple[Federation, Outcome]:
    """Run a job's strategy on its sites in this process; `folder` is for its checkpoints."""
    with flower_run():
        federation = Federation(cast(Grid, Loopback(len(names))), job, lambda _: None)
        roster = simulated_roster(names)
        return federation, run(federation, len(names), roster, Checkpoint(folder, job.id))
