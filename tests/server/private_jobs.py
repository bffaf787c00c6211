"""Jobs with differential privacy on simulated sites in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from flwr.app import Message
from flwr.serverapp import Grid
from loopback import Alter, Loopback, flower_run

from edufed.config import Job, compose_job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.wire import unpack
from server.app import Finished, run_job

SITES = 4
LEARNERS = 1200


def compose(province: Path, out: Path, *overrides: str) -> Job:
    return compose_job(
        [
            *(f"data.path={province}", f"data.regions={SITES}"),
            f"+data.adapter.learners={LEARNERS}",
            *(f"out={out}", f"federation.state={out / 'sites'}"),
            *("scenario.wait_s=0.1", "scenario.round_timeout_s=0.2"),
            *overrides,
        ]
    )


def run(job: Job, folder: Path, grid: Loopback | None = None) -> Finished:
    roster = simulated_roster(site.name for site in simulated_sites(job))
    with flower_run():
        return run_job(cast(Grid, grid or Loopback(SITES)), job, roster, folder, lambda step: None)


class Recorded(Loopback):
    """Keeps what each site answered to what."""

    def __init__(self, alter: Alter | None = None) -> None:
        self.answers: list[tuple[int, str, dict[str, Any], dict[str, Any]]] = []

        def record(node: int, asked: Message, answered: Message) -> Message | None:
            self.answers.append((node, asked.metadata.message_type, *unpack(answered.content)))
            return alter(node, asked, answered) if alter else answered

        super().__init__(SITES, record)

    def of(self, kind: str) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
        return ((node, meta, arrays) for node, asked, meta, arrays in self.answers if asked == kind)
