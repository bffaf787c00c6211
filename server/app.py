"""The ServerApp: takes a job from the run's settings, runs its scenario, writes its report."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from edufed.config import Job, job_from_run_config, simulated_sites
from edufed.privacy.simulated import simulated_roster
from edufed.published import PublishedModel, save_published
from server.federation import Federation
from server.progress import Progress, Step
from server.publication import describe, publish
from server.report.horizontal import build_report
from server.strategies import horizontal

log = logging.getLogger("edufed.coordinator")

app = ServerApp()


@dataclass(frozen=True)
class Finished:
    """A job that ran to its end."""

    federation: Federation
    outcome: horizontal.Outcome
    model: PublishedModel
    seconds: float


def run_job(grid: Grid, job: Job, progress: Progress) -> Finished:
    """Run a job's scenario on the nodes of a Flower run, and publish its model to the sites.

    Raises
    ------
    JobError
        Too few sites answered.
    """
    started = time.monotonic()
    federation = Federation(grid, job, progress)
    sites = [site.name for site in simulated_sites(job)]
    outcome = horizontal.run(federation, len(sites), simulated_roster(sites))
    report = build_report(federation, outcome, time.monotonic() - started)
    model = describe(federation, outcome, report)
    progress(Step("publishing", "every site keeps the model"))
    before = time.monotonic()
    publish(federation, outcome, model)
    outcome.phases.append(("publishing", time.monotonic() - before))
    return Finished(federation, outcome, model, time.monotonic() - started)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run under `flwr run`: settings from the run's config, steps into the log."""
    # Drawing is imported with the report alone: matplotlib takes a second.
    from server.report.write import write_report

    job = job_from_run_config(dict(context.run_config))
    finished = run_job(grid, job, _log_step)
    folder = Path(job.out)
    save_published(finished.model, folder / "model")
    report = build_report(finished.federation, finished.outcome, finished.seconds)
    written = write_report(report, folder, job.language)
    log.info("report: %s", written.html.resolve())


def _log_step(step: Step) -> None:
    log.info("%s: %s", step.phase, step.text)
