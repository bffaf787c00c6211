"""A job on real sites: submitted to the coordinator on this machine, followed, fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from edufed.cli.show import print_results
from edufed.cli.submit import fetch, follow, stop_earlier, submit
from edufed.config import Job, SettingsError
from edufed.config.compose import check_job
from edufed.config.federation import DeploymentSettings
from edufed.deployment import CoordinatorSettings, load_coordinator
from edufed.private_files import private_folder, write_private
from server.app import FAILED, LINE
from server.federation import JobError
from server.report.contract import Report

#: The job as it was submitted, and what shows that it has ended, in its folder at the coordinator.
JOB, REPORT = "job.json", "report.json"


def deploy(job: Job) -> None:
    """Submit a job and follow it to its end; write its model and report to `out`.

    Interrupting this leaves the job running: `edufed stop` ends it.

    Raises
    ------
    CoordinatorError
        The coordinator does not answer.
    JobError
        The job failed; one line says why.
    """
    settings = _coordinator(job)
    console = Console(stderr=True)

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    folder = settings.jobs / job.id
    private_folder(folder)
    if (folder / REPORT).is_file():
        say(f"job {job.id} has ended")
    else:
        _run(job, settings, folder, say)
    out = Path(job.out)
    if not (folder / REPORT).is_file():
        raise JobError(_why(folder, job))
    fetch(settings, job.id, out)
    report = Report.model_validate_json((out / "report.json").read_bytes())
    if job.data.map.geojson is not None:
        from server.report.map_page.shapes import with_shapes
        from server.report.write import write_report

        # The file is on this disk, and need not travel.
        write_report(with_shapes(report, job), out, job.language)
    print_results(console, report)
    if (out / "model").is_dir():
        console.print(f"model:  {out / 'model'}", highlight=False, soft_wrap=True)
    console.print(f"report: {out / 'report.html'}", highlight=False, soft_wrap=True)


def _run(job: Job, settings: CoordinatorSettings, folder: Path, say: Callable[[str], None]) -> None:
    """Submit the job, and show its steps until it ends."""
    write_private(folder / JOB, job.model_dump_json().encode())
    (folder / FAILED).unlink(missing_ok=True)
    stop_earlier(settings, job.id)
    run_id = submit(settings, json.dumps(job.for_sites()), job.id)
    say(f"job {job.id} submitted")

    def show(line: str) -> None:
        # Flower's own lines stay in the coordinator's log.
        if line.startswith(LINE):
            say(line.removeprefix(LINE))

    try:
        follow(settings, run_id, show, say)
    except KeyboardInterrupt:
        say(f"the job goes on; end it by: edufed stop {job.id}")
        raise


def submitted(job_id: str, settings_file: str, out: str) -> Job:
    """Return a job that was submitted before, to go on with it.

    Raises
    ------
    SettingsError
        The coordinator knows no such job.
    """
    settings = load_coordinator(Path(settings_file))
    try:
        said = json.loads((settings.jobs / job_id / JOB).read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"resume: no job {job_id!r} was submitted here") from None
    return check_job({**said, "out": str(Path(out).absolute())})


def _coordinator(job: Job) -> CoordinatorSettings:
    assert isinstance(job.federation, DeploymentSettings)
    return load_coordinator(Path(job.federation.settings))


def _why(folder: Path, job: Job) -> str:
    try:
        return (folder / FAILED).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return (
            f"job {job.id} ended without a report; go on with it by"
            f" edufed run resume={job.id} federation=deployment federation.settings=FILE out=DIR"
        )
