"""What a site allows, enforced before any of its data is touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from clients.store import Store
from edufed.config import Job
from edufed.config.policy import DAYS, Policy, PrivacyPolicy
from edufed.config.privacy import HeSettings, PrivacySettings, PrivateLearners, SecureSums
from edufed.config.strategy import ExactSettings

#: Days for which the site remembers the jobs that it took on.
REMEMBERED_DAYS = 92
_FILE = "admitted"


class PolicyRefusalError(Exception):
    """The site's own policy says no. A normal, reported answer; the message travels."""


class UnsuitableDataError(PolicyRefusalError):
    """The policy says no because of what the site's tables hold; the message says how much."""


def check_job(policy: Policy, job: Job) -> None:
    """Refuse what the policy does not allow, whenever it is asked.

    Raises
    ------
    PolicyRefusalError
    """
    for key, allowed, asked in (
        ("scenarios", policy.scenarios, job.scenario.name),
        ("tasks", policy.tasks, job.task.name),
        ("strategies", policy.strategies, job.strategy.name),
    ):
        if allowed is not None and asked not in allowed:
            raise PolicyRefusalError(f"policy.{key} does not allow {asked}")
    hidden = isinstance(job.privacy, SecureSums)
    if policy.privacy.secagg == "required" and not hidden:
        raise PolicyRefusalError("privacy.secagg is required")
    if policy.privacy.secagg == "or_he" and not (hidden or isinstance(job.privacy, HeSettings)):
        raise PolicyRefusalError("privacy.secagg, or privacy=he, is required")
    dealt = isinstance(job.strategy, ExactSettings) and job.strategy.products == "dealt"
    if policy.privacy.products == "lattice" and dealt:
        raise PolicyRefusalError("privacy.products is lattice and strategy.products dealt")
    _check_epsilon(policy.privacy, job.privacy)
    if policy.max_rounds is not None and job.scenario.rounds > policy.max_rounds:
        raise PolicyRefusalError(
            f"scenario.rounds is {job.scenario.rounds} and policy.max_rounds {policy.max_rounds}"
        )
    if job.task.min_cohort < policy.min_cohort:
        raise PolicyRefusalError(
            f"task.min_cohort is {job.task.min_cohort} and policy.min_cohort {policy.min_cohort}"
        )


def _check_epsilon(allowed: PrivacyPolicy, asked: PrivacySettings) -> None:
    if not isinstance(asked, PrivateLearners):
        if allowed.dp == "required":
            raise PolicyRefusalError("privacy.dp is required: privacy=dp or privacy=secagg_dp")
        return
    if allowed.max_epsilon is not None and asked.epsilon > allowed.max_epsilon:
        raise PolicyRefusalError(
            f"privacy.epsilon is {asked.epsilon:g} and policy.privacy.max_epsilon"
            f" {allowed.max_epsilon:g}"
        )
    if asked.delta > allowed.budget.delta:
        raise PolicyRefusalError(
            f"privacy.delta is {asked.delta:g} and policy.privacy.budget.delta"
            f" {allowed.budget.delta:g}"
        )


def check_hours(policy: Policy, now: datetime) -> None:
    """Refuse outside the opening hours.

    Raises
    ------
    PolicyRefusalError
    """
    if not is_open(policy, now):
        local = now.astimezone(ZoneInfo(policy.time_zone))
        raise PolicyRefusalError(
            f"policy.hours are {policy.hours or 'the whole day'} on {', '.join(policy.days)}"
            f" ({policy.time_zone}), and it is {DAYS[local.weekday()]} {local:%H:%M} there"
        )


def is_open(policy: Policy, now: datetime) -> bool:
    """Whether the site answers at `now`, by the clock on its wall.

    Hours over midnight belong to the day on which they begin. A day on which the clock is put
    forward or back is open for an hour less or more, if the change falls into its hours.

    Parameters
    ----------
    policy : Policy
    now : datetime
        With a time zone.
    """
    local = now.astimezone(ZoneInfo(policy.time_zone))
    minute = 60 * local.hour + local.minute
    today, yesterday = (DAYS[day.weekday()] for day in (local, local - timedelta(days=1)))
    begin, end = policy.window
    if begin < end:
        return today in policy.days and begin <= minute < end
    return (today in policy.days and begin <= minute) or (yesterday in policy.days and minute < end)


def take_on(policy: Policy, store: Store, job_hash: str, now: datetime) -> None:
    """Count a job on the day of its first message; refuse where the day has had enough jobs.

    A job is known by the SHA-256 of its settings, so that another cannot pass under its id.

    Raises
    ------
    PolicyRefusalError
    StoreError
        The site's list of jobs is damaged or cannot be written.
    """
    if policy.max_jobs_per_day is None:
        return
    kept = store.load(_FILE) or {"jobs": np.array([], dtype=str), "days": np.array([], dtype=str)}
    taken = dict(zip(kept["jobs"].tolist(), kept["days"].tolist(), strict=True))
    if job_hash in taken:
        return
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    if sum(day == today.isoformat() for day in taken.values()) >= policy.max_jobs_per_day:
        raise PolicyRefusalError(
            f"policy.max_jobs_per_day is {policy.max_jobs_per_day}, and as many were taken on today"
        )
    oldest = (today - timedelta(days=REMEMBERED_DAYS)).isoformat()
    taken = {job: day for job, day in taken.items() if day >= oldest} | {job_hash: str(today)}
    store.save(
        _FILE,
        {"jobs": np.array(list(taken), dtype=str), "days": np.array(list(taken.values()))},
    )


def enforce(policy: Policy, store: Store, job: Job, job_hash: str) -> None:
    """Refuse a message of a job unless the policy allows it now.

    Raises
    ------
    PolicyRefusalError
    StoreError
        The site's list of jobs is damaged or cannot be written.
    """
    now = datetime.now(UTC)
    check_job(policy, job)
    check_hours(policy, now)
    take_on(policy, store, job_hash, now)


def check_learners(policy: Policy, learners: int) -> None:
    """Refuse where too few learners are eligible.

    Raises
    ------
    PolicyRefusalError
    """
    if learners < policy.min_learners:
        raise UnsuitableDataError(
            f"policy.min_learners is {policy.min_learners} and fewer learners are eligible"
        )


def check_quality(policy: Policy, rows: int, rejected: int) -> None:
    """Refuse where too large a share of the rows had to be rejected.

    Raises
    ------
    PolicyRefusalError
    """
    if rows and rejected / rows > policy.max_rejected_share:
        raise UnsuitableDataError(
            f"{rejected} of {rows} rows were rejected, more than policy.max_rejected_share"
            f" ({policy.max_rejected_share:g}) allows; see edufed check-site"
        )
