"""A site's share of a federation-wide sum, sent as the job's privacy settings ask.

The coordinator's half: `server/summation.py`. Without secure aggregation the share travels as it
is. With it, the coordinator gets a masked vector, and learns the sum alone; what the site keeps
for that is in its state folder, since another process may answer the next message. Encrypted
sums: `clients/encrypted_summation.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients import encrypted_summation
from clients.answer import Answer
from clients.site import Site
from edufed.arrays import Arrays, as_array
from edufed.config.job import Job
from edufed.config.privacy import HeSettings, SecureSums
from edufed.privacy.fixed_point import FixedPoint
from edufed.privacy.secagg import SecAggPlan, SecAggSite
from edufed.private_files import read_private, write_private
from edufed.share import Share, to_arrays, to_vector

#: Names under which secure aggregation's own messages travel.
ADVERT, REQUEST, DEPOSIT, MASKED, OPENED = "advert", "request", "deposit", "masked", "opened"


def secure_plan(job: Job, roster: dict[str, bytes]) -> SecAggPlan:
    """Return the plan of a job's secure sums, from this site's own roster."""
    assert isinstance(job.privacy, SecureSums)
    return SecAggPlan.of(job.id, roster, job.secure_sums, job.privacy.threshold)


def advert(site: Site, job: Job, resumed: bool) -> Arrays:
    """Return this site's signed key for the job's secure sums; nothing where it has none.

    A job that goes on goes on with the keys it has.
    """
    if resumed:
        return {}
    if isinstance(job.privacy, HeSettings):
        return {ADVERT: as_array(encrypted_summation.advert(site, job))}
    if not isinstance(job.privacy, SecureSums):
        return {}
    member = SecAggSite(secure_plan(job, site.roster(job)), site.name, site.identity())
    message = member.advertise()
    _keep(site, job, member)
    return {ADVERT: as_array(message)}


def deposit(site: Site, job: Job, _meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Check everybody's keys against the roster, and deposit sealed shares of this site's."""
    if isinstance(job.privacy, HeSettings):
        return {}, encrypted_summation.share_key(site, job, arrays)
    member = _member(site, job)
    message = member.share(arrays[REQUEST].tobytes())
    _keep(site, job, member)
    return {}, {DEPOSIT: as_array(message)}


def contribute(site: Site, job: Job, share: Share, arrays: Arrays) -> Arrays:
    """Return `share` as it is to travel: in clear, or hidden for the round in `arrays`."""
    if isinstance(job.privacy, HeSettings):
        return encrypted_summation.encrypt(site, job, share, arrays)
    if not isinstance(job.privacy, SecureSums):
        return to_arrays(share)
    member = _member(site, job)
    # Of numbers that the coordinator chose, the narrow range would tell how large values are.
    message = member.mask(arrays[REQUEST].tobytes(), to_vector(share), codec=FixedPoint())
    _keep(site, job, member)
    return {MASKED: as_array(message)}


def unmask(site: Site, job: Job, _meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Open one share for each site: of its self mask, or, where it dropped, of its pair key."""
    member = _member(site, job)
    message = member.unmask(arrays[REQUEST].tobytes())
    _keep(site, job, member)
    return {}, {OPENED: as_array(message)}


def _member(site: Site, job: Job) -> SecAggSite:
    plan = secure_plan(job, site.roster(job))
    return SecAggSite.load(plan, site.name, site.identity(), read_private(_file(site, job)))


def _keep(site: Site, job: Job, member: SecAggSite) -> None:
    """Store the member's counters before its answer leaves: they forbid a second answer."""
    file = _file(site, job)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, member.dump())


def _file(site: Site, job: Job) -> Path:
    return site.store.folder / "jobs" / job.id / "secagg.key"
