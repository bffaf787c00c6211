"""The ServerApp: takes a job from the run's settings, runs its scenario, writes its report."""

from __future__ import annotations

import fcntl
import logging
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from edufed.config import Job, job_from_run_config, simulated_sites
from edufed.config.federation import DeploymentSettings
from edufed.identity import load_roster
from edufed.privacy.simulated import simulated_roster
from server.checkpoint import Checkpoint
from server.federation import CONNECT_POLL_S, Federation, JobError
from server.progress import Progress, Step
from server.report.contract import Report
from server.services import Save, Service, service_of

#: Holds the one line that says why a job failed.
FAILED = "failed.txt"
#: Holds every step of a job with its time, and the traceback of what nobody expected.
JOB_LOG = "job.log"
#: Where a job's checkpoints lie, in its folder.
CHECKPOINT = "checkpoint"
#: Stands before each line for people that goes to the log, so that they can be told from Flower's.
LINE = "edufed: "
#: Seconds in which a run that was stopped lets go of its job.
LET_GO_S = 30.0
#: Seconds in which Flower's simulation registers its nodes.
NODES_S = 5.0

app = ServerApp()


@dataclass(frozen=True)
class Finished:
    """A job that ran to its end."""

    federation: Federation
    service: Service
    outcome: Any
    save_model: Save | None
    seconds: float

    def report(self, seconds: float, baselines: Any = None) -> Report:
        """Return the run report; `baselines` is what the task's own baselines gave, if any."""
        beside = () if baselines is None else (baselines,)
        return self.service.report(self.federation, self.outcome, seconds, *beside)


def run_job(
    grid: Grid, job: Job, roster: dict[str, bytes], folder: Path, progress: Progress
) -> Finished:
    """Run a job on the nodes of a Flower run, and publish its model to the sites.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
    job : Job
    roster : dict of str to bytes
        The federation's sites and their Ed25519 public keys.
    folder : pathlib.Path
        The job's own: its checkpoint is kept here, and one that is there is gone on from.
    progress : callable

    Raises
    ------
    JobError
        Too few sites answered.
    """
    started = time.monotonic()
    service = service_of(job)
    federation = Federation(grid, job, progress, sorted(roster))
    checkpoint = Checkpoint(folder / CHECKPOINT, job.id)
    outcome = service.run(federation, len(roster), roster, checkpoint)
    save = None
    if service.publish is not None:
        report = service.report(federation, outcome, time.monotonic() - started)
        progress(Step("publishing", "every site keeps the model"))
        before = time.monotonic()
        save = service.publish(federation, outcome, report)
        outcome.phases.append(("publishing", time.monotonic() - before))
    return Finished(federation, service, outcome, save, time.monotonic() - started)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run a job that `edufed run` submitted, or that `flwr run` started; steps go to the log.

    Deployed, the coordinator's process says in its environment where jobs are kept and which
    sites there are. Under `flwr run` the sites are simulated.
    """
    # Drawing is imported with the report alone: matplotlib takes a second.
    from server.report.write import write_report

    job = job_from_run_config(dict(context.run_config))
    deployed = isinstance(job.federation, DeploymentSettings)
    if deployed:
        folder = Path(os.environ["EDUFED_JOBS"]) / job.id
        roster = load_roster(Path(os.environ["EDUFED_ROSTER"])).signing_keys()
    else:
        folder = Path(job.out)
        roster = simulated_roster(site.name for site in simulated_sites(job))
    # Flower's strategies tell of every round what a step here says better.
    logging.getLogger("flwr").setLevel(logging.WARNING)
    with _alone_in(folder, job.id):

        def tell(step: Step) -> None:
            count = f" [{step.done}/{step.total}]" if step.total else ""
            _say(folder, f"{step.phase}{count}: {step.text}")

        try:
            if not deployed:
                _check_nodes(grid, len(roster))
            finished = run_job(grid, job, roster, folder, tell)
            if finished.save_model is not None:
                finished.save_model(folder / "model")
            written = write_report(finished.report(finished.seconds), folder, job.language)
        except JobError as error:
            _say_failed(folder, job.id, str(error))
            # The line says it all: no traceback beside it.
            logging.getLogger("flwr").setLevel(logging.CRITICAL)
            raise
        except Exception as error:
            _note(folder, traceback.format_exc())
            why = f"unexpected {type(error).__name__}; {folder / JOB_LOG} says more"
            _say_failed(folder, job.id, why)
            raise
        Checkpoint(folder / CHECKPOINT, job.id).forget()
        told = _note if deployed else _say  # `edufed run` says itself where the report is
        told(folder, f"report: {written.html.resolve()}")


@contextmanager
def _alone_in(folder: Path, job_id: str) -> Iterator[None]:
    """Keep a job's folder to this run: one that was cut off may not have noticed it yet.

    Raises
    ------
    JobError
        Another run is at work on the job, and does not end.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LET_GO_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go when the process ends
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise JobError(f"another run is at work on job {job_id}") from None
                time.sleep(CONNECT_POLL_S)
        (folder / FAILED).unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _say_failed(folder: Path, job_id: str, why: str) -> None:
    (folder / FAILED).write_text(f"{why}\n", encoding="utf-8")
    _say(folder, f"job {job_id} failed: {why}")


def _check_nodes(grid: Grid, sites: int) -> None:
    """Find out that `flwr run` simulates a node for every site: it makes two unless told.

    Raises
    ------
    JobError
        It does not.
    """
    deadline = time.monotonic() + NODES_S
    while (nodes := len(list(grid.get_node_ids()))) != sites:
        if time.monotonic() > deadline:
            raise JobError(
                f"{nodes} nodes are simulated and the data has {sites} sites;"
                f" add --federation-config num-supernodes={sites}"
            )
        time.sleep(CONNECT_POLL_S)


def _say(folder: Path, text: str) -> None:
    """Tell whoever follows the job, and keep it: Flower shows no ServerApp's output to others."""
    print(f"{LINE}{text}", flush=True)
    _note(folder, text)


def _note(folder: Path, text: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with (folder / JOB_LOG).open("a", encoding="utf-8") as stream:
        stream.write(f"{now} {text}\n")
