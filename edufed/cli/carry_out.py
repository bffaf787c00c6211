"""A checked job, carried out on this machine: simulation, pooled baseline, model, report."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from edufed.cli.engine import Engine
from edufed.cli.show import print_results, showing
from edufed.cli.simulate import simulate
from edufed.config import Job, simulated_sites
from edufed.config.job import EarlyWarningSettings
from server.app import Finished
from server.progress import Progress, Step
from server.report.horizontal import Summary


def carry_out(job: Job, engine: Engine) -> None:
    """Run a job to its end and write its model and report.

    Raises
    ------
    JobError
        Too few sites could take part.
    """
    console = Console(stderr=True)
    with showing(console) as progress:
        finished = simulate(job, engine, progress)
        pooled = None
        if job.research and isinstance(job.task, EarlyWarningSettings):
            pooled = _pooled(job, finished, progress)
    # Drawing is imported with the report alone: matplotlib takes a second.
    from server.report.write import write_report

    seconds = sum(lap for _, lap in finished.outcome.phases)
    report = finished.report(seconds, pooled)
    folder = Path(job.out)
    if finished.save_model is not None:
        finished.save_model(folder / "model")
    written = write_report(report, folder, job.language)
    print_results(console, report)
    if finished.save_model is not None:
        console.print(f"model:  {folder / 'model'}", highlight=False, soft_wrap=True)
    console.print(f"report: {written.html}", highlight=False, soft_wrap=True)


def _pooled(job: Job, finished: Finished, progress: Progress) -> dict[str, Summary]:
    from clients.pooled import pooled_scores

    progress(Step("pooled", "baseline: one model on all sites' rows together"))
    started = time.monotonic()
    sites = [site for site in simulated_sites(job) if site.name in finished.outcome.metrics]
    scores = pooled_scores(job, sites)
    finished.outcome.phases.append(("pooled", time.monotonic() - started))
    return scores
