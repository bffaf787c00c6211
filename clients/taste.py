"""What a feature party brings to a cold start: who its learners are, and what they use there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from clients.site import Learners, Site, basis
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed.arrays import Arrays
from edufed.cold_start.columns import standardised, varying, within_course
from edufed.cold_start.profile import PROFILE_VERSION, read_profile
from edufed.config import Job, SiteSettings
from edufed.features import FEATURE_VERSION, FEATURES, transformed

FloatArray = npt.NDArray[np.float64]
#: Features that stand beside the profile; how much a learner does, the profile says itself.
GROUPS = frozenset(["registration", "background", "load", "assessment"])


@dataclass(frozen=True)
class Taste:
    """A feature party's learners and what it knows of them, each course's mean taken off.

    Attributes
    ----------
    learners : Learners
    names : tuple of str
    values : float64 array, shape (rows, names)
        0 where unknown.
    """

    learners: Learners
    names: tuple[str, ...]
    values: FloatArray

    def of(self, rows: npt.NDArray[np.int64], trains: npt.NDArray[np.bool_]) -> FloatArray:
        """Return the columns of the shared rows, scaled by those to train on.

        Parameters
        ----------
        rows : int64 array, shape (shared rows,)
            Where each stands here, -1 where the platform lacks the learner.
        trains : bool array, shape (shared rows,)

        Returns
        -------
        float64 array, shape (shared rows, names + 1)
            Zero where the platform lacks the learner; the last column says whether it knows them.
        """
        present = rows >= 0
        x = np.zeros((len(rows), len(self.names) + 1))
        x[present, :-1] = standardised(self.values, rows[present & trains])[rows[present]]
        x[:, -1] = present
        return x


def taste(site: Site, job: Job) -> Taste:
    """Return what the site brings, from the cache where nothing has changed."""
    # By job: in a worker that lives for months, the next job is to see what has changed since.
    return _taste(site.settings.model_dump_json(), job.model_dump_json())


@lru_cache(maxsize=4)
def _taste(site_json: str, job_json: str) -> Taste:
    site = Site(SiteSettings.model_validate_json(site_json))
    cutoff = Job.model_validate_json(job_json).cold_start.cutoff_day
    learners = site.learners(cutoff)
    stored = _profile(site, learners, cutoff)
    kept = [number for number, feature in enumerate(FEATURES) if feature.group in GROUPS]
    values = np.hstack([transformed(learners.matrix.values)[:, kept], stored["profile"]])
    names = [FEATURES[number].name for number in kept] + stored["categories"].tolist()
    centred = within_course(values, learners.matrix.course_id)
    varies = varying(centred)
    return Taste(learners, tuple(np.array(names, dtype=str)[varies].tolist()), centred[:, varies])


def _profile(site: Site, learners: Learners, cutoff: float) -> Arrays:
    settings = site.settings
    records = open_adapter(settings.adapter, settings.folder).read(cutoff)

    def make() -> Arrays:
        cleaned, _ = clean(records, settings.state / "quarantine", settings.policy.data.columns())
        matrix = learners.matrix
        categories, profile = read_profile(
            cleaned, matrix.learner_id.tolist(), matrix.course_id.tolist(), cutoff
        )
        return {"categories": np.array(categories, dtype=str), "profile": profile}

    stamp = basis(settings, records, PROFILE_VERSION, FEATURE_VERSION, repr(cutoff))
    return site.store.load_or_make("profiles", stamp, make)
