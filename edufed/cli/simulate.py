"""All sites on this machine, each a Flower ClientApp in a simulation."""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from clients.app import app as client_app
from edufed.cli.engine import Engine
from edufed.config import Job, simulated_sites
from edufed.config.federation import SimulationSettings
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
    server_app = ServerApp()
    # A simulation is never gone on with: its checkpoints need not outlast it.
    folder = TemporaryDirectory(prefix="edufed-", ignore_cleanup_errors=True)

    @server_app.main()
    def main(grid: Grid, _context: Context) -> None:
        finished.append(run_job(grid, job, roster, Path(folder.name), progress))

    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    engine.wait()
    with folder:
        run_simulation(
            server_app=server_app,
            client_app=client_app,
            num_supernodes=len(roster),
            backend_config={
                "client_resources": {"num_cpus": job.federation.cpus_per_site, "num_gpus": 0.0}
            },
        )
    return finished[0]
