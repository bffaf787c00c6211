"""What a site's learners used, read once and kept in its state folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from clients.kept import KEPT
from clients.policy import check_learners, check_quality
from clients.site import Site, basis
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed.arrays import Arrays
from edufed.config import SiteSettings
from edufed.fairness.groups import IntArray
from edufed.fairness.reading import read_memberships
from edufed.recommend.usage import USAGE_VERSION, Usage, read_usage
from edufed.records import LearningRecords


@dataclass(frozen=True)
class Used:
    """What a site's learners used, who they are, and how clean the records behind it were.

    Attributes
    ----------
    usage : Usage
    quality : dict
    groups : int64 array, shape (enrolments, attributes)
        As `edufed.fairness.groups.memberships` gives them.
    """

    usage: Usage
    quality: dict[str, Any]
    groups: IntArray

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about: resources' names are shared."""
        return 33 * len(self.usage.row) + _ROW_BYTES * len(self.usage)


#: Bytes of an enrolment: two identifiers of some twenty letters, and its start.
_ROW_BYTES = 160


def read(site: Site, cutoff: float, horizon: float) -> Used:
    """Return what was used up to day ``cutoff + horizon``, from the cache where nothing changed.

    Raises
    ------
    DataError
        The platform's tables cannot be read as learning records.
    PolicyRefusalError
        The site's policy does not allow the job with what the tables hold.
    """
    settings = site.settings
    records = open_adapter(settings.adapter, settings.folder).read(cutoff + horizon)
    stamp = basis(settings, records, USAGE_VERSION, repr((cutoff, horizon)))
    key = ("usage", settings.model_dump_json(), stamp)
    return KEPT.get(key, lambda: _read(site, records, cutoff, horizon, stamp))


def _read(site: Site, records: LearningRecords, cutoff: float, horizon: float, stamp: str) -> Used:
    stored = site.store.load_or_make(
        "usage", stamp, lambda: _build(site.settings, records, cutoff, horizon)
    )
    quality = json.loads(str(stored["quality"]))
    check_quality(site.settings.policy, quality["rows"], quality["rejected"])
    usage = Usage(
        learner_id=stored["learner_id"].astype(object),
        course_id=stored["course_id"].astype(object),
        course_start=stored["course_start"],
        row=stored["row"],
        resource=stored["names"].astype(object)[stored["resource"]],
        first=stored["first"],
        last=stored["last"],
        later=stored["later"],
        catalogues=json.loads(str(stored["catalogues"])),
    )
    check_learners(site.settings.policy, len(usage))
    return Used(usage, quality, stored["groups"])


def _build(
    settings: SiteSettings, records: LearningRecords, cutoff: float, horizon: float
) -> Arrays:
    allowed = settings.policy.data.columns()
    cleaned, quality = clean(records, settings.state / "quarantine", allowed)
    usage = read_usage(cleaned, cutoff, horizon)
    names, places = np.unique(usage.resource.astype(str), return_inverse=True)
    return {
        "learner_id": usage.learner_id.astype(str),
        "course_id": usage.course_id.astype(str),
        "course_start": usage.course_start,
        "row": usage.row,
        "names": names,
        "resource": places.astype(np.int32),
        "first": usage.first,
        "last": usage.last,
        "later": usage.later,
        "catalogues": np.array(json.dumps(usage.catalogues)),
        "groups": read_memberships(cleaned, usage.learner_id),
        "quality": np.array(json.dumps(quality.compact(settings.name))),
    }
