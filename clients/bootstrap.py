"""The seed of a site's bootstrap weights: secret, or sums under known weights could be solved."""

from __future__ import annotations

import hashlib
import secrets

from clients.site import Site
from edufed.config.job import Job
from edufed.private_files import read_private, write_private


def bootstrap_seed(site: Site, job: Job) -> int:
    """Return the seed for a job: the same each time, and known to the site alone.

    A simulated site's depends on its name, so that two runs are equal.
    """
    if site.settings.simulated:
        secret = site.name.encode()
    else:
        file = site.store.folder / "bootstrap.key"
        if not file.exists():
            write_private(file, secrets.token_bytes(32))
        secret = read_private(file)
    return int.from_bytes(hashlib.sha256(secret + str(job.seed).encode()).digest()[:16], "big")
