"""A site's spending of its learners' privacy: the ledger first, then the noisy answer, once.

A question that costs privacy is answered once a job. Where the answer is private by itself, a site
that is asked again, after a loss on the way, gives the same answer again, which costs nothing.
Its share of a sum it gives once: two sums that hold it could be subtracted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clients.policy import PolicyRefusalError
from clients.site import Site
from clients.store import StoreError
from clients.summation import secure_plan
from edufed.arrays import Arrays, digest
from edufed.config import SettingsError
from edufed.config.federation import SimulationSettings
from edufed.config.job import Job
from edufed.config.site import SiteSettings
from edufed.privacy.composition import epsilon, steps_of
from edufed.privacy.dp.budget import Entry, JobBudget
from edufed.privacy.dp.sums import Float64Array, release, release_share
from edufed.privacy.ledger import Budget, BudgetError, Ledger, LedgerError
from edufed.private_job import (
    GRID,
    POPULATION,
    kind_of,
    noisy_sites,
    privacy_of,
    with_noise,
)
from edufed.records import DataError
from edufed.share import Share, from_arrays, to_arrays
from edufed.wire import WireError

#: Marks, in what is kept of a step, that its answer failed.
_FAILED = "failed"
#: The ledger in a site's state folder.
LEDGER = "ledger.jsonl"
#: What one accountant on two machines may differ by.
_SLACK = 1e-6


class SpentError(LedgerError):
    """A question that costs privacy, and that the site has answered already."""


def ledger_of(settings: SiteSettings, folder: Path | None = None) -> Ledger:
    """Open a site's ledger, in its state folder unless another is given."""
    allowed = settings.policy.privacy.budget
    return Ledger((folder or settings.state) / LEDGER, Budget(allowed.epsilon, allowed.delta))


def job_ledger(site: Site, job: Job) -> Ledger:
    """Open the ledger in which a job is noted: the site's own.

    A simulation without `federation.state` leaves nothing for another one to add to, so there the
    ledger is the job's alone.
    """
    own = job.federation
    if site.settings.simulated and isinstance(own, SimulationSettings) and own.state is None:
        folder = site.store.folder / "jobs" / job.id
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ledger_of(site.settings, folder)
    return ledger_of(site.settings)


def reserve(site: Site, job: Job, multipliers: Sequence[float]) -> None:
    """Set aside in the ledger all that the job will spend, by the noise that is planned.

    Raises
    ------
    PolicyRefusalError
        The noise is too little for the ε that the job sets, or the ledger has too little left.
    LedgerError
        The ledger was altered, or the job's id was used before.
    """
    try:
        budget = with_noise(job, multipliers)
    except ValueError as error:
        raise PolicyRefusalError(f"the noise that the coordinator planned: {error}") from None
    asked = privacy_of(job).epsilon
    cost = epsilon(steps_of(budget.charges), budget.delta)
    if cost > asked * (1 + _SLACK):
        raise PolicyRefusalError(
            f"the noise that the coordinator planned costs ε = {cost:.3f}, more than"
            f" privacy.epsilon ({asked:g})"
        )
    try:
        job_ledger(site, job).reserve(job.id, POPULATION, budget.charges)
    except BudgetError as error:
        raise PolicyRefusalError(str(error)) from None
    site.store.save(_plan_file(job), {"noise": np.array(multipliers, dtype=np.float64)})


def reserved(site: Site, job: Job) -> JobBudget:
    """Return what the job spends on what, as it was reserved.

    Raises
    ------
    SpentError
        Nothing was.
    """
    kept = site.store.load(_plan_file(job))
    if kept is None:
        raise SpentError("the job has reserved nothing in this site's privacy ledger")
    return with_noise(job, kept["noise"].tolist())


def answer_once(
    site: Site,
    job: Job,
    step: str,
    question: Arrays,
    entries: Sequence[tuple[Entry, int]],
    answer: Callable[[], Share],
) -> Share:
    """Make a noisy answer and note what it costs before it is given.

    Parameters
    ----------
    site, job
    step : str
        Names the question within the job, such as ``train-3``.
    question : dict of arrays
        What the answer depends on beside the site's records.
    entries : sequence of (Entry, int)
        What it costs: so many steps of each entry.
    answer : callable
        Makes it.

    Raises
    ------
    SpentError
        The step was answered: with the same question under `kind="sum"`, with another under
        either; or its answer failed.
    LedgerError
        The ledger cannot be used, or the job is closed.
    """
    asked, name = digest(question), _step_file(job, step)
    kept = site.store.load(name)
    if kept is not None:
        if _FAILED in kept or kind_of(job) == "sum" or kept["question"].tobytes() != asked:
            raise SpentError(f"{step} was answered already; another answer would cost privacy anew")
        return from_arrays(kept)
    mark = {"question": np.frombuffer(asked, dtype=np.uint8)}

    def spend() -> None:
        ledger = job_ledger(site, job)
        for entry, steps in entries:
            ledger.spend(job.id, POPULATION, replace(entry.charge, steps=steps))

    try:
        share = answer()
    except Exception as error:
        if not _says_nothing(error):
            # Whether the answer fails may depend on noise, or on records: asked again and again,
            # with other models, it would tell for nothing what the ledger is to bound.
            spend()
            site.store.save(name, mark | {_FAILED: np.array(1)})
        raise
    spend()
    # A site's share of a sum has too little noise to be kept.
    site.store.save(name, mark if kind_of(job) == "sum" else mark | to_arrays(share))
    return share


def _says_nothing(error: Exception) -> bool:
    """Whether an answer failed before the question and the records came together."""
    from clients.horizontal import UnpreparedError  # with torch: whoever shows a ledger needs none

    return isinstance(
        error,
        UnpreparedError
        | DataError
        | LedgerError
        | PolicyRefusalError
        | SettingsError
        | StoreError
        | WireError,
    )


def answered(site: Site, job: Job, step: str) -> Share | None:
    """Return a noisy answer that the site has given and kept, or None."""
    kept = site.store.load(_step_file(job, step))
    return None if kept is None or _FAILED in kept else from_arrays(kept)


def close(site: Site, job: Job) -> dict[str, Any]:
    """Give back what the job did not spend; return what the ledger says of the site's learners."""
    ledger = job_ledger(site, job)
    ledger.close(job.id)
    (row,) = (row for row in ledger.summary() if row["population"] == POPULATION)
    return {**row, "jobs": len(row["jobs"])}


def noisy(site: Site, job: Job, exact: Float64Array, entry: Entry) -> Float64Array:
    """Add all of the noise to what a site has bounded, or this site's share of it."""
    noise = entry.charge.noise_multiplier
    if kind_of(job) == "site":
        return release(exact, entry.clip, noise)
    return release_share(exact, entry.clip, noise, noisy_among(site, job), GRID)


def noisy_among(site: Site, job: Job) -> int:
    """Return among how many sites the noise of a sum is shared out.

    Raises
    ------
    SettingsError
        No site is left whose noise nobody else knows.
    """
    try:
        return noisy_sites(job, secure_plan(job, site.roster(job)))
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _step_file(job: Job, step: str) -> str:
    return f"jobs/{job.id}/private-{step}"


def _plan_file(job: Job) -> str:
    return f"jobs/{job.id}/private-plan"
