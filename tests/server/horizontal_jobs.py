"""Small horizontal jobs on simulated sites in this process."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from flwr.serverapp import Grid
from loopback import Loopback

from edufed.config import Job, compose_job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from server.checkpoint import Checkpoint
from server.federation import Federation
from server.strategies import horizontal

SITES = 4


def compose(province: Path, *settings: str) -> Job:
    return compose_job(
        [
            *("data=province", f"data.path={province}", f"data.regions={SITES}"),
            *("+data.adapter.learners=400", "+data.adapter.events_per_learner=10"),
            *("model=logistic", "research=false", f"out={province / 'out'}", "scenario.rounds=2"),
            "scenario.round_timeout_s=0.2",
            f"federation.state={province / 'sites'}",  # features are built once
            *settings,
        ]
    )


def run(job: Job, folder: Path, grid: Loopback) -> tuple[Federation, horizontal.Outcome]:
    federation = Federation(cast(Grid, grid), job, lambda _: None)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    checkpoint = Checkpoint(folder, job.id)
    return federation, horizontal.run(federation, SITES, roster, checkpoint)
