"""Asking for noisy sums under differential privacy, and how much noise they carry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt
from typing import TypeVar

from edufed.config import Job
from edufed.privacy.dp.sums import overshoot
from edufed.private_job import kind_of, noisy_sites
from server.federation import Federation, JobError
from server.summation import secure_plan

T = TypeVar("T")


class SumNoise:
    """How much noise a sum over sites carries."""

    def __init__(self, job: Job, roster: Mapping[str, bytes]) -> None:
        self._shared: int | None = None
        if kind_of(job) == "sum":
            try:
                self._shared = noisy_sites(job, secure_plan(job, roster))
            except ValueError as error:
                raise JobError(str(error)) from None

    def deviation(self, planned: float, sites: int) -> float:
        """Deviation of the noise in a sum over so many sites, of the `planned` one of an entry."""
        times = sqrt(sites) if self._shared is None else overshoot(sites, self._shared)
        return planned * times


def once(federation: Federation, ask: Callable[[], T]) -> T:
    """Ask for noisy answers; again only where what was given already is given again unchanged.

    So it is of a site's own noisy answer. Its share of a secure sum is given once.
    """
    return federation.patiently(ask) if kind_of(federation.job) == "site" else ask()
