"""All sites on this machine, each a Flower ClientApp in a simulation."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, cast

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from clients.app import app as client_app
from edufed.cli.engine import Engine
from edufed.config import Job, simulated_sites
from edufed.config.job import SimulationSettings
from edufed.privacy.simulated import simulated_roster
from server.app import Finished, run_job
from server.progress import Progress


def simulate(job: Job, engine: Engine, progress: Progress) -> Finished:
    """Run the job on simulated sites.

    Raises
    ------
    JobError
        Too few sites could take part.
    """
    assert isinstance(job.federation, SimulationSettings)
    roster = simulated_roster(site.name for site in simulated_sites(job))
    finished: list[Finished] = []
    stopped = threading.Event()
    server_app = ServerApp()

    @server_app.main()
    def main(grid: Grid, _context: Context) -> None:
        until = cast(Grid, _Until(stopped, grid))
        finished.append(run_job(until, job, roster, Path(job.out), progress))

    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    engine.wait()
    try:
        run_simulation(
            server_app=server_app,
            client_app=client_app,
            num_supernodes=len(roster),
            backend_config={
                "client_resources": {"num_cpus": job.federation.cpus_per_site, "num_gpus": 0.0}
            },
        )
    finally:
        stopped.set()
    return finished[0]


class _StoppedError(Exception):
    """The simulation was interrupted: nobody is there to answer."""


class _Until:
    """A grid that ends its job once the simulation has stopped.

    Flower runs the ServerApp in a thread of its own, which an interrupt does not reach.
    """

    def __init__(self, stopped: threading.Event, grid: Grid) -> None:
        self._stopped, self._grid = stopped, grid

    def __getattr__(self, name: str) -> Any:
        if self._stopped.is_set():
            raise _StoppedError
        return getattr(self._grid, name)
