"""`edufed stop JOB`: end a running job; what it has written stays."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from edufed.cli.control import CoordinatorError, control
from edufed.cli.server import coordinator_settings
from edufed.cli.submit import run_of
from edufed.deployment import CoordinatorSettings


def command(job_id: str, arguments: Sequence[str]) -> None:
    """Run `edufed stop JOB [settings=FILE] [KEY=VALUE ...]`."""
    stop(coordinator_settings(arguments), job_id)
    Console(stderr=True).print(f"job {job_id} is stopped; what it has written stays")


def stop(settings: CoordinatorSettings, job_id: str) -> None:
    """Stop a job.

    Raises
    ------
    CoordinatorError
        The coordinator does not answer, or there is no such job, or it ended before.
    """
    from flwr.proto.control_pb2 import StopRunRequest

    run_id = run_of(settings, job_id)
    with control(settings) as client:
        stopped = client.StopRun(StopRunRequest(run_id=run_id)).success
    if not stopped:
        raise CoordinatorError(f"job {job_id!r} is not running")
