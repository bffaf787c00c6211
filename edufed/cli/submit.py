"""Submit a job to a running federation, follow it, and fetch what it wrote.

The ServerApp runs on the coordinator's machine and writes into ``EDUFED_JOBS/JOB``, a folder under
the coordinator's state. `edufed run … federation=deployment` runs on that machine too: it
submits, prints the ServerApp's log as it comes, and copies the job's folder to where the user
wants it. From any other machine, do the same over ssh.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edufed.bundle import installed_code, pyproject
from edufed.cli.control import CoordinatorError, RunState, control, runs
from edufed.deployment import CoordinatorSettings
from edufed.private_files import private_folder, write_private

_SUBMISSION = "submission.json"
_STREAM_AGAIN_S = 1.0


def submit(settings: CoordinatorSettings, job: str, job_id: str) -> int:
    """Start a job on the federation of the coordinator on this machine.

    Parameters
    ----------
    settings : CoordinatorSettings
    job : str
        The checked job as JSON; it becomes the run's one setting.
    job_id : str
        Names the job's folder. An id that was submitted before goes on in the same folder.

    Returns
    -------
    int
        Flower's id of the run.

    Raises
    ------
    CoordinatorError
        The coordinator does not answer or refuses the run.
    """
    run_id = start_run(settings, build_bundle(), {"job": job})
    folder = settings.jobs / job_id
    private_folder(folder)
    note = {"run": run_id, "submitted": datetime.now(UTC).isoformat(timespec="seconds")}
    write_private(folder / _SUBMISSION, json.dumps(note).encode())
    return run_id


def build_bundle() -> bytes:
    """Build a Flower App Bundle without code that stands for the code installed here."""
    import tomli_w
    from flwr.cli.build import build_fab_from_files

    settings = tomli_w.dumps(pyproject(installed_code()))
    return build_fab_from_files({"pyproject.toml": settings.encode()})[0]


def start_run(settings: CoordinatorSettings, bundle: bytes, run_config: dict[str, str]) -> int:
    """Have the SuperLink start a run of `bundle`; return the run's id.

    Raises
    ------
    CoordinatorError
        The coordinator does not answer or refuses the run.
    """
    import hashlib

    from flwr.common.serde import fab_to_proto, user_config_to_proto
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.supercore.fab import Fab

    fab = Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})
    request = StartRunRequest(
        fab=fab_to_proto(fab), override_config=user_config_to_proto(dict(run_config))
    )
    with control(settings) as client:
        answer = client.StartRun(request)
    if not answer.HasField("run_id"):
        raise CoordinatorError("the coordinator did not start the run; its log says why")
    return int(answer.run_id)


def follow(
    settings: CoordinatorSettings,
    run_id: int,
    show: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
) -> RunState:
    """Show a run's log until it ends; a coordinator that is away meanwhile is waited for.

    Parameters
    ----------
    settings : CoordinatorSettings
    run_id : int
    show : callable
        Told each line of the ServerApp's log.
    warn : callable, optional
        Told when the coordinator does not answer; default: `show`.

    Returns
    -------
    RunState
        How it ended.
    """
    from flwr.proto.control_pb2 import StreamLogsRequest

    seen, away = 0.0, False
    while True:
        try:
            with control(settings) as client:
                for part in client.StreamLogs(
                    StreamLogsRequest(run_id=run_id, after_timestamp=seen)
                ):
                    seen = max(seen, part.latest_timestamp)
                    for line in part.log_output.splitlines():
                        show(line)
                state = runs(client, run_id)[0]
            away = False
            if state.status == "finished":
                return state
        except CoordinatorError as error:
            if not away:
                (warn or show)(f"{error}; trying again")
            away = True
        time.sleep(_STREAM_AGAIN_S)


def fetch(settings: CoordinatorSettings, job_id: str, out: Path) -> list[Path]:
    """Copy what a job wrote into `out`, each file whole or not at all; return the copies."""
    source = settings.jobs / job_id
    copies = []
    for file in sorted(source.rglob("*")):
        if not file.is_file() or file.name == _SUBMISSION:
            continue
        target = out / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        shutil.copyfile(file, temporary)
        os.replace(temporary, target)
        copies.append(target)
    return copies


def stop_earlier(settings: CoordinatorSettings, job_id: str) -> None:
    """Stop what a job was submitted as before, where that has not ended: it was cut off.

    Raises
    ------
    CoordinatorError
        The coordinator does not answer.
    """
    from flwr.proto.control_pb2 import StopRunRequest

    run_id = next((run for run, job in jobs(settings).items() if job == job_id), None)
    if run_id is None:
        return
    with control(settings) as client:
        if any(run.run_id == run_id and run.status != "finished" for run in runs(client)):
            client.StopRun(StopRunRequest(run_id=run_id))


def run_of(settings: CoordinatorSettings, job_id: str) -> int:
    """Return the id of the Flower run that a job was last submitted as.

    Raises
    ------
    CoordinatorError
        No such job was submitted here.
    """
    try:
        note = json.loads((settings.jobs / job_id / _SUBMISSION).read_bytes())
    except OSError:
        known = ", ".join(sorted(jobs(settings).values())) or "none"
        raise CoordinatorError(f"no job {job_id!r} was submitted here; known: {known}") from None
    return int(note["run"])


def jobs(settings: CoordinatorSettings) -> dict[int, str]:
    """Jobs submitted here: Flower's run id -> job id."""
    found = {}
    for file in settings.jobs.glob(f"*/{_SUBMISSION}"):
        found[int(json.loads(file.read_bytes())["run"])] = file.parent.name
    return found
