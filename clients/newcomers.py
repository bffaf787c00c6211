"""The label party of a cold start: who comes, what they use, and the lists that are made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.platform import TEST, TRAIN
from clients.policy import check_learners, check_quality
from clients.site import Site, basis
from clients.split import learn_and_test
from data_adapters.base import open_adapter
from data_adapters.governance import clean
from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.cold_start.arrivals import ARRIVALS_VERSION, Arrivals, Uses, read_arrivals
from edufed.cold_start.categories import Resources
from edufed.cold_start.columns import standardised, varying, within_course
from edufed.cold_start.evaluation import categories_used, category_shares
from edufed.config import Job, SiteSettings
from edufed.records import DataError
from edufed.vertical import probability

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
#: A category that fewer training learners use, or leave, is left to popularity.
MIN_USERS = 10


@dataclass(frozen=True)
class Newcomers:
    """The platform's rows of a job.

    Attributes
    ----------
    arrivals : Arrivals
    quality : dict
    part : uint8 array, shape (rows,)
        `TRAIN` or `TEST`.
    x : float64 array, shape (rows, columns)
        The platform's own attributes of them, and how popular each category was in their course.
    y : float64 array, shape (rows, foretold)
        Whether they used each category within the horizon.
    foretold : int64 array, shape (foretold,)
        Which categories the labels are.
    """

    arrivals: Arrivals
    quality: dict[str, Any]
    part: npt.NDArray[np.uint8]
    x: FloatArray
    y: FloatArray
    foretold: npt.NDArray[np.int64]

    def chances(self, rows: npt.NDArray[np.int64], scores: FloatArray) -> FloatArray:
        """Return each row's chance of each category.

        Parameters
        ----------
        rows : int64 array, shape (scored,)
        scores : float64 array, shape (scored, foretold)

        Returns
        -------
        float64 array, shape (rows, categories)
            What is not foretold, and whoever is not scored, has the mean of the training learners.
        """
        used = categories_used(self.arrivals)[self.part == TRAIN]
        chance = np.tile(used.mean(axis=0).clip(0.01, 0.99), (len(self.part), 1))
        chance[np.ix_(rows, self.foretold)] = probability(scores).clip(1e-6, 1.0)
        return chance


def newcomers(site: Site, job: Job) -> Newcomers:
    """Return the label party's rows, from the cache where nothing has changed.

    Raises
    ------
    DataError
        There is nobody to train on, or no category to foretell.
    """
    return _newcomers(site.settings.model_dump_json(), job.model_dump_json())


@lru_cache(maxsize=4)
def _newcomers(site_json: str, job_json: str) -> Newcomers:
    site = Site(SiteSettings.model_validate_json(site_json))
    job = Job.model_validate_json(job_json)
    task = job.cold_start
    arrivals, quality = _read(site, job)
    learn, _ = learn_and_test(arrivals.learner_id, arrivals.course_start, job)
    part = np.where(learn, TRAIN, TEST).astype(np.uint8)
    used = categories_used(arrivals)
    users = used[learn].sum(axis=0)
    foretold = np.flatnonzero((users >= MIN_USERS) & (users <= learn.sum() - MIN_USERS))
    if not len(foretold):
        raise DataError(
            f"no category of resources to foretell: of {int(learn.sum())} learners to train on,"
            f" {MIN_USERS} or more use some and as many do not, of none; set data.newcomers_at"
        )
    courses = sorted(set(arrivals.course_id.tolist()))
    shares = category_shares(arrivals, task.cutoff_day, task.recent_days, courses)
    attributes = within_course(arrivals.attributes, arrivals.course_id)
    columns = np.hstack([attributes, shares[:, foretold]])
    x = standardised(columns[:, varying(columns)], np.flatnonzero(learn))
    return Newcomers(arrivals, quality, part, x, used[:, foretold], foretold)


def _read(site: Site, job: Job) -> tuple[Arrivals, dict[str, Any]]:
    settings, task = site.settings, job.cold_start
    # All days: who used the platform in an earlier course is not new to it.
    records = open_adapter(settings.adapter, settings.folder).read(None)
    when = repr((task.cutoff_day, task.horizon_days))

    def make() -> Arrays:
        cleaned, quality = clean(
            records, settings.state / "quarantine", settings.policy.data.columns()
        )
        arrivals = read_arrivals(cleaned, task.cutoff_day, task.horizon_days)
        return _as_arrays(arrivals) | {
            "quality": np.array(json.dumps(quality.compact(settings.name)))
        }

    stored = site.store.load_or_make(
        "arrivals", basis(settings, records, ARRIVALS_VERSION, when), make
    )
    told = json.loads(str(stored.pop("quality")))
    check_quality(settings.policy, told["rows"], told["rejected"])
    found = _from_arrays(stored)
    check_learners(settings.policy, len(found))
    return found, told


def _as_arrays(arrivals: Arrivals) -> Arrays:
    resources = arrivals.resources
    stored: Arrays = {
        name: getattr(arrivals, name).astype(str) for name in ("learner_id", "course_id", "link")
    }
    stored |= {name: getattr(arrivals, name) for name in ("course_start", "new", "attributes")}
    for uses in ("before", "after"):
        stored |= prefixed(f"{uses}/", dict(vars(getattr(arrivals, uses))))
    stored |= {
        f"resources/{name}": getattr(resources, name).astype(str)
        for name in ("names", "kinds", "courses")
    }
    stored["resources/categories"] = np.array(resources.categories, dtype=str)
    stored["resources/category"] = resources.category
    return stored


def _from_arrays(stored: Arrays) -> Arrivals:
    resources = unprefixed("resources/", stored)
    return Arrivals(
        learner_id=stored["learner_id"].astype(object),
        course_id=stored["course_id"].astype(object),
        link=stored["link"].astype(object),
        course_start=stored["course_start"],
        new=stored["new"],
        attributes=stored["attributes"],
        resources=Resources(
            names=resources["names"].astype(object),
            kinds=resources["kinds"].astype(object),
            courses=resources["courses"].astype(object),
            categories=tuple(resources["categories"].tolist()),
            category=resources["category"],
        ),
        before=Uses(**unprefixed("before/", stored)),
        after=Uses(**unprefixed("after/", stored)),
    )
