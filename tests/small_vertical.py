"""Vertical jobs on three platforms of a small region, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from flwr.app import Message
from loopback import Alter, Loopback, flower_run

from edufed.cli.predict_together import scoring_job
from edufed.config import Job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.wire import unpack
from server.app import Finished, run_job
from server.progress import Step

#: Numbers of the platforms' nodes.
MOOC, LIBRARY, LIVE = range(3)

Make = Callable[..., Job]


class CutError(Exception):
    """Raised to end a job as a lost coordinator would."""


def run(
    job: Job,
    folder: Path,
    alter: Alter = lambda node, asked, answered: answered,
    progress: Callable[[Step], None] = lambda step: None,
) -> Finished:
    """Run a job; `folder` is for its checkpoints."""
    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        return run_job(Loopback(len(roster), alter), job, roster, folder, progress)


def asked_round(message: Message) -> int:
    """Round that a message is of, 0 where it is of none."""
    return int(unpack(message.content)[0].get("round", 0))


def live_leaves(node: int, asked: Message, answered: Message) -> Message | None:
    """Have the third platform answer no more from the third round of training on."""
    gone = node == LIVE and asked.metadata.message_type == "train.vertical"
    return None if gone and asked_round(asked) >= 3 else answered


def scoring(job: Job, folder: Path) -> Job:
    """Return a job that scores with the model of another."""
    told = {"job": {"config": job.model_dump(mode="json")}}
    (folder / "report.json").write_text(json.dumps(told))
    return scoring_job(folder, folder / "scored", None)
