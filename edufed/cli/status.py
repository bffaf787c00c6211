"""`edufed status`: which sites are connected, and how the jobs stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edufed.cli.control import RunState, SiteState, control, runs, sites
from edufed.cli.server import coordinator_settings
from edufed.cli.submit import jobs
from edufed.deployment import CoordinatorSettings


@dataclass(frozen=True)
class JobState:
    """One job: its id (or Flower's run id where it was not submitted by us) and its run."""

    job: str
    run: RunState


@dataclass(frozen=True)
class Status:
    """The federation at one moment."""

    sites: list[SiteState]
    jobs: list[JobState]


def command(arguments: Sequence[str]) -> None:
    """Run `edufed status [settings=FILE] [KEY=VALUE ...]`."""
    for line in lines(status(coordinator_settings(arguments))):
        print(line)


def status(settings: CoordinatorSettings) -> Status:
    """Ask the coordinator on this machine.

    Raises
    ------
    CoordinatorError
        It does not answer.
    """
    names = jobs(settings)
    with control(settings) as client:
        return Status(
            sites(client),
            [JobState(names.get(run.run_id, f"run {run.run_id}"), run) for run in runs(client)],
        )


def lines(state: Status) -> list[str]:
    """Return the status as text, one line a site and one a job."""
    text = [f"site {site.name}: {site.status}" for site in state.sites]
    for job in state.jobs:
        how = ", ".join(part for part in (job.run.status, job.run.outcome) if part)
        why = f" ({job.run.details})" if job.run.details else ""
        text.append(f"job {job.job}: {how}{why}")
    return text
