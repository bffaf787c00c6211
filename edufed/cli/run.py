"""`edufed run`: one job from settings to report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from edufed.cli.show import print_results, showing
from edufed.cli.simulate import simulate
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.published import save_published
from server.app import Finished
from server.progress import Progress, Step
from server.report.horizontal import Summary, build_report
from server.report.write import write_report


def run(overrides: Sequence[str]) -> None:
    """Compose, simulate, compare with the pooled baseline, write model and report.

    Raises
    ------
    SettingsError
        A setting is wrong, or the output folder cannot be written to.
    JobError
        Too few sites could take part.
    """
    job = compose_job(overrides)
    _check_paths(job)
    console = Console(stderr=True)
    with showing(console) as progress:
        finished = simulate(job, progress)
        pooled = _pooled(job, finished, progress) if job.research else None
    seconds = sum(lap for _, lap in finished.outcome.phases)
    report = build_report(finished.federation, finished.outcome, seconds, pooled)
    folder = Path(job.out)
    save_published(finished.model, folder / "model")
    written = write_report(report, folder, job.language)
    print_results(console, report)
    console.print(f"model:  {folder / 'model'}", highlight=False)
    console.print(f"report: {written.html}", highlight=False, soft_wrap=True)


def _check_paths(job: Job) -> None:
    """Find out before any work that the data is there and the report can be written."""
    path = Path(job.data.path) if job.data.path else None
    if path is not None and job.data.name != "province" and not path.exists():
        raise SettingsError(f"data.path: {path} does not exist; give the folder of the data")
    simulated_sites(job)
    out = Path(job.out)
    if out.exists() and not out.is_dir():
        raise SettingsError(f"out: {out} is a file; give a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"out: {out}: {error.strerror}") from None


def _pooled(job: Job, finished: Finished, progress: Progress) -> dict[str, Summary]:
    from clients.pooled import pooled_scores

    progress(Step("pooled", "baseline: one model on all sites' rows together"))
    started = time.monotonic()
    sites = [site for site in simulated_sites(job) if site.name in finished.outcome.scores]
    scores = pooled_scores(job, sites)
    finished.outcome.phases.append(("pooled", time.monotonic() - started))
    return scores
