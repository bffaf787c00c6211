"""A checked job, carried out on this machine: simulation, pooled baseline, model, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from edufed.cli.engine import Engine
from edufed.cli.show import print_results, showing
from edufed.cli.simulate import simulate
from edufed.config import Job, simulated_sites
from edufed.config.strategy import SplitNNSettings
from server.app import Finished
from server.progress import Progress, Step
from server.report.horizontal import Summary

if TYPE_CHECKING:
    from clients.beside import Beside  # with torch


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
        baseline = _BASELINES.get(job.service) if job.research else None
        baselines = baseline(job, finished, progress) if baseline is not None else None
    # Drawing is imported with the report alone: matplotlib takes a second.
    from server.report.map_page.shapes import with_shapes
    from server.report.write import write_report

    seconds = sum(lap for _, lap in finished.outcome.phases)
    report = with_shapes(finished.report(seconds, baselines), job)
    folder = Path(job.out)
    if finished.save_model is not None:
        finished.save_model(folder / "model")
    written = write_report(report, folder, job.language)
    print_results(console, report)
    if finished.save_model is not None:
        console.print(f"model:  {folder / 'model'}", highlight=False, soft_wrap=True)
    console.print(f"report: {written.html}", highlight=False, soft_wrap=True)


def _beside(job: Job, finished: Finished, progress: Progress) -> Beside:
    from clients.beside import scores_beside

    progress(Step("beside", "exact scores and baselines, for comparison: none of it travelled"))
    started = time.monotonic()
    outcome = finished.outcome
    sites = [site for site in simulated_sites(job) if site.name in outcome.metrics]
    beside = scores_beside(job, sites, outcome.weights, outcome.cohorts, outcome.sums)
    outcome.phases.append(("beside", time.monotonic() - started))
    return beside


def _pooled(job: Job, finished: Finished, progress: Progress) -> dict[str, Summary]:
    from clients.pooled import pooled_scores

    progress(Step("pooled", "baseline: one model on all sites' rows together"))
    started = time.monotonic()
    sites = [site for site in simulated_sites(job) if site.name in finished.outcome.metrics]
    scores = pooled_scores(job, sites)
    finished.outcome.phases.append(("pooled", time.monotonic() - started))
    return scores


def _pooled_vertical(job: Job, finished: Finished, progress: Progress) -> dict[str, Any]:
    from clients.vertical_pooled import gather

    if isinstance(job.strategy, SplitNNSettings):
        from clients.splitnn_together import attack_split as attack
        from clients.splitnn_together import pooled_split as pooled
    else:
        from clients.vertical_attacks import attack
        from clients.vertical_pooled import pooled_vertical as pooled

    progress(Step("pooled", "baseline: one model on all parties' columns together"))
    started = time.monotonic()
    sites = [site for site in simulated_sites(job) if site.name in finished.outcome.aligned]
    together = gather(job, sites)
    found = pooled(job, together)
    finished.outcome.phases.append(("pooled", time.monotonic() - started))
    progress(Step("attacks", "what each party could make of what it got"))
    started = time.monotonic()
    found["attacks"] = attack(job, together, len(finished.outcome.rounds))
    finished.outcome.phases.append(("attacks", time.monotonic() - started))
    return found


def _pooled_cold_start(job: Job, finished: Finished, progress: Progress) -> dict[str, Any]:
    from clients.cold_start_pooled import pooled_cold_start

    progress(Step("pooled", "baseline: one model on all parties' columns together"))
    started = time.monotonic()
    sites = [site for site in simulated_sites(job) if site.name in finished.outcome.aligned]
    found = pooled_cold_start(job, sites, len(finished.outcome.rounds))
    finished.outcome.phases.append(("pooled", time.monotonic() - started))
    return found


#: `Job.service` -> what trains the baselines that are the simulation's own, where there are any.
_BASELINES: dict[str, Callable[[Job, Finished, Progress], Any]] = {
    "early_warning": _pooled,
    "certify": _pooled,
    "private/early_warning": _beside,
    "vertical/early_warning": _pooled_vertical,
    "vertical/cold_start": _pooled_cold_start,
}
