"""A small job on real sites in this process, whose outcome several tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from flwr.serverapp import Grid
from loopback import Loopback, flower_run

from clients.site import Site
from edufed.config import Job, compose_job, simulated_sites
from edufed.privacy.simulated import simulated_roster
from server.app import Finished, run_job

SITES = 3


@dataclass(frozen=True)
class SmallJob:
    """A finished job and the sites that took part."""

    job: Job
    sites: list[Site]
    finished: Finished


def settings(folder: Path, *overrides: str) -> Job:
    """Compose a job of three regions with 200 learners each, two rounds."""
    return compose_job(
        [
            *("data=province", f"data.path={folder / 'province'}", f"data.regions={SITES}"),
            *("+data.adapter.learners=600", "+data.adapter.events_per_learner=15"),
            *("scenario.rounds=2", "task.min_cohort=5", f"out={folder / 'out'}"),
            *overrides,
        ]
    )


def run(folder: Path, *overrides: str) -> SmallJob:
    """Run the job from greeting to publication."""
    job = settings(folder, *overrides)
    sites = [Site(site) for site in simulated_sites(job)]
    roster = simulated_roster(site.name for site in sites)
    with flower_run():
        grid = cast(Grid, Loopback(SITES))
        finished = run_job(grid, job, roster, folder / "job", lambda _: None)
    return SmallJob(job, sites, finished)
