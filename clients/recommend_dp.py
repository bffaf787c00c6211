"""Recommendation with differential privacy, the site's half.

The coordinator's: `server/strategies/recommend_dp.py`. Four questions: `hello` (which resources
the job's courses have: a catalogue, no learner), `counts` (Gram matrices and recent uses, each
learner's part bounded, with noise), `evaluate` (noisy sums of test learners' scores), `publish`
(keep the model, say how the ledger stands).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clients.answer import Answer
from clients.recommend import agreed_at, counts_file, keep_counts, used_at
from clients.recommend import publish as keep
from clients.site import Site
from clients.spending import answer_once, close, noisy, reserve, reserved
from clients.split import learn_and_test
from clients.summation import advert, contribute
from data_adapters.base import open_adapter
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.recommend.agreed import catalogue_of
from edufed.recommend.items import Items
from edufed.recommend.models import score_counted
from edufed.recommend.private import bounded_counts, capped, catalogues, evaluation_sums
from edufed.recommend.usage import interactions
from edufed.records import DataError
from edufed.share import Share
from edufed.wire import SUM


def hello(site: Site, job: Job, meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Name the resources of the job's courses, and reserve what the job will spend."""
    records = open_adapter(site.settings.adapter, site.settings.folder).read()
    found = catalogues(records, job.data.courses)
    if not found:
        raise DataError("resources.course_id names none of the job's courses")
    used_at(site, job.recommend)
    reserve(site, job, [float(noise) for noise in meta["noise"]])
    return {"catalogues": found}, advert(site, job, resumed=bool(meta["resumed"]))


def send_counts(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with noisy Gram matrices and recent uses."""
    budget, task = reserved(site, job), job.recommend
    entries = [budget["gram"], budget["recent"]]

    def answer() -> Share:
        usage = used_at(site, task).usage
        seen = [interactions(usage, catalogue_of(said)) for said in meta["agreed"]]
        kept = capped(seen, usage.learner_id, task.private_items)
        exact = bounded_counts(seen, kept, task.cutoff_day)
        return Share(
            sums={
                entry.name: noisy(site, job, counted, entry)
                for entry, counted in zip(entries, exact, strict=True)
            }
        )

    asked = {"agreed": np.frombuffer(repr(meta["agreed"]).encode(), dtype=np.uint8)}
    share = answer_once(site, job, "counts", asked, [(entry, 1) for entry in entries], answer)
    return {}, contribute(site, job, share, arrays)


def evaluate(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Answer with noisy sums of what each model's lists are worth to test learners."""
    entry, task = reserved(site, job)["evaluation"], job.recommend
    keep_counts(site, job, meta, arrays)

    def answer() -> Share:
        usage = used_at(site, task).usage
        _, test = learn_and_test(usage.learner_id, usage.course_start, job)
        found, tested = [], []
        for course in agreed_at(site, counts_file(job, meta)):
            seen = interactions(usage, course.catalogue)
            seen = seen.part(test[seen.rows] & seen.later.any(axis=1))
            items = Items.of(course.counts, float(meta["l2"]))
            found.append(score_counted(seen, course.counts, items))
            tested.append(seen)
        exact = evaluation_sums(found, tested, usage.learner_id)
        return Share(sums={"scores": noisy(site, job, exact, entry)})

    asked = unprefixed(SUM, arrays) | {"l2": np.array(float(meta["l2"]))}
    share = answer_once(site, job, "evaluate", asked, [(entry, 1)], answer)
    return {}, contribute(site, job, share, arrays)


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep the recommender; say how the ledger stands."""
    keep(site, job, meta, arrays)
    return {"ledger": close(site, job)}, {}
