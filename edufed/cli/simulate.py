"""All sites on this machine, each a Flower ClientApp in a simulation."""

from __future__ import annotations

import logging
import os

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.simulation import run_simulation

from clients.app import app as client_app
from edufed.config import Job, simulated_sites
from server.app import Finished, run_job
from server.progress import Progress


def simulate(job: Job, progress: Progress) -> Finished:
    """Run the job on simulated sites.

    Raises
    ------
    JobError
        Too few sites could take part.
    """
    finished: list[Finished] = []
    server_app = ServerApp()

    @server_app.main()
    def main(grid: Grid, _context: Context) -> None:
        finished.append(run_job(grid, job, progress))

    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    cores = os.cpu_count() or 1
    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=len(simulated_sites(job)),
        backend_config={
            "client_resources": {"num_cpus": job.federation.cpus_per_site, "num_gpus": 0.0},
            "init_args": {
                "num_cpus": max(cores, int(job.federation.cpus_per_site)),
                "include_dashboard": False,
                "log_to_driver": False,
                "logging_level": "error",
            },
        },
    )
    return finished[0]
