"""`edufed run`: one job from settings to report."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edufed.cli.arguments import keywords
from edufed.cli.engine import Engine
from edufed.config import Job, SettingsError, compose_job, simulated_sites
from edufed.config.federation import DeploymentSettings


def run(overrides: Sequence[str]) -> None:
    """Compose, simulate, compare with the pooled baseline, write model and report.

    Raises
    ------
    SettingsError
        A setting is wrong, or the output folder cannot be written to.
    JobError
        Too few sites could take part.
    """
    job = _resumed(overrides) or compose_job(overrides)
    if isinstance(job.federation, DeploymentSettings):
        from edufed.cli.deploy import deploy

        deploy(job)
        return
    carry_out_here(job)


def carry_out_here(job: Job) -> None:
    """Carry a job out on simulated sites.

    Raises
    ------
    SettingsError
        The data is not there, or the output folder cannot be written to.
    JobError
        Too few sites could take part.
    """
    simulated_sites(job)
    _check_data(job)
    with _alone_in(Path(job.out)):
        engine = Engine(job)
        # Imports Flower and torch: not before the settings are right, and while Ray comes up.
        from edufed.cli.carry_out import carry_out

        carry_out(job, engine)


def _resumed(overrides: Sequence[str]) -> Job | None:
    """Return the job that ``resume=JOB`` names; None where none is asked for."""
    if not any(override.startswith("resume=") for override in overrides):
        return None
    if "federation=deployment" not in overrides:
        raise SettingsError(
            "resume: only deployed jobs go on: add federation=deployment federation.settings=FILE;"
            " a simulated job is run again"
        )
    given = keywords(overrides, ("resume", "federation", "federation.settings", "out"))
    from edufed.cli.deploy import submitted

    return submitted(given["resume"], given["federation.settings"], given["out"])


def _check_data(job: Job) -> None:
    """Find out before any work that the data is there; a province is made where it is not."""
    path = Path(job.data.path) if job.data.path else None
    if path is not None and job.data.name != "province" and not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        raise SettingsError(f"data.path: {path} {what}; give the folder of the data")


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Make the output folder where it is missing, and keep other jobs out of it.

    Raises
    ------
    SettingsError
        It cannot be made or written to, or another job is at work in it.
    """
    if out.exists() and not out.is_dir():
        raise SettingsError(f"out: {out} is a file; give a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(f"out: {out}: {error.strerror}") from None
    try:
        if not os.access(out, os.W_OK | os.X_OK):
            raise SettingsError(f"out: {out} cannot be written to; give another folder")
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go when this process ends
        except BlockingIOError:
            raise SettingsError(
                f"out: another job is at work in {out}; give another folder, or wait"
            ) from None
        yield
    finally:
        os.close(folder)
