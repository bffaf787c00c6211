"""Ray beneath Flower's simulation, started in the background."""

from __future__ import annotations

import logging
import os
import threading

from edufed.config import Job
from edufed.config.federation import SimulationSettings


class Engine:
    """Ray on this machine.

    Its processes take seconds to come up, and so do the imports of Flower and torch: here they
    go on side by side. Flower uses a Ray that runs already, and stops it after the simulation.
    """

    def __init__(self, job: Job) -> None:
        assert isinstance(job.federation, SimulationSettings)
        cores = os.cpu_count() or 1
        self._cpus = max(cores, int(job.federation.cpus_per_site))
        self._failure: Exception | None = None
        self._up = threading.Event()
        threading.Thread(target=self._start, name="ray", daemon=True).start()

    def wait(self) -> None:
        """Return when Ray is up.

        Raises
        ------
        JobError
            It could not be started, as on a machine that is overloaded or out of memory.
        """
        self._up.wait()
        if self._failure is not None:
            from server.federation import JobError

            why = str(self._failure).strip().splitlines() or [type(self._failure).__name__]
            raise JobError(
                f"Ray, which runs simulations, did not start: {why[0][:200]};"
                " try again when the machine is less busy"
            ) from self._failure

    def _start(self) -> None:
        try:
            import ray

            ray.init(
                num_cpus=self._cpus,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:
            self._failure = error
        self._up.set()
        # Linux ends Ray's processes with the thread that started them.
        threading.Event().wait()
