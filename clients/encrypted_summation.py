"""A site's share of an encrypted sum. The coordinator's half: `server/encrypted_summation.py`.

The sites share a key that the coordinator never sees, and open the sum together. What a site keeps
for that is in its state folder, since another process may answer the next message.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients.answer import Answer
from clients.site import Site
from edufed.arrays import Arrays, as_array
from edufed.config.job import Job
from edufed.config.privacy import HeSettings
from edufed.privacy.he import HeSite
from edufed.privacy.he.ckks import check_installed
from edufed.privacy.secagg import SecAggPlan
from edufed.private_files import read_private, write_private
from edufed.share import Share, to_vector

#: Names under which the messages travel.
REQUEST, KEY, ENCRYPTED, OPENED = "request", "key", "encrypted", "opened"


def advert(site: Site, job: Job) -> bytes:
    """Return this site's signed key, under which the sites exchange the encryption key."""
    check_installed()
    member = HeSite(_plan(site, job), site.name, site.identity())
    message = member.advertise()
    _keep(site, job, member)
    return message


def share_key(site: Site, job: Job, arrays: Arrays) -> Arrays:
    """Check everybody's keys against the roster; the leading site makes the encryption key."""
    member = _member(site, job)
    message = member.share_key(arrays[REQUEST].tobytes())
    _keep(site, job, member)
    return {} if message is None else {KEY: as_array(message)}


def encrypt(site: Site, job: Job, share: Share, arrays: Arrays) -> Arrays:
    """Return `share` encrypted for the round in `arrays`, which may bring the key too."""
    member = _member(site, job)
    if KEY in arrays:
        member.take_key(arrays[KEY].tobytes())
    message = member.encrypt(arrays[REQUEST].tobytes(), to_vector(share))
    _keep(site, job, member)
    return {ENCRYPTED: as_array(message)}


def open_sum(site: Site, job: Job, _meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Decrypt the round's sum, and say what it is in whole numbers, or their digest."""
    member = _member(site, job)
    message = member.open(arrays[REQUEST].tobytes())
    _keep(site, job, member)
    return {}, {OPENED: as_array(message)}


def _plan(site: Site, job: Job) -> SecAggPlan:
    assert isinstance(job.privacy, HeSettings)
    return SecAggPlan.of(job.id, site.roster(job), job.secure_sums, job.privacy.threshold)


def _member(site: Site, job: Job) -> HeSite:
    return HeSite.load(_plan(site, job), site.name, site.identity(), read_private(_file(site, job)))


def _keep(site: Site, job: Job, member: HeSite) -> None:
    """Store the member's counters before its answer leaves: they forbid another answer."""
    file = _file(site, job)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, member.dump())


def _file(site: Site, job: Job) -> Path:
    return site.store.folder / "jobs" / job.id / "he.key"
