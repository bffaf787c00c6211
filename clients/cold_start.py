"""Cold start, the site's half. The coordinator's: `server/strategies/vertical.py`.

The protocol is that of vertical training (`clients/vertical_steps.py`), with a label for each
category of the resources of the platform that new learners come to, which is the label party. What
it makes of the summed scores stays there: figures without a learner go to the coordinator, and a
list for each newcomer lies in its state folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.answer import Answer
from clients.newcomers import newcomers
from clients.parties import Parties
from clients.platform import TEST, TRAIN, identifiers, identify
from clients.predict import write_predictions
from clients.site import Site
from clients.steps import forget_steps
from clients.taste import taste
from clients.vertical_feature import FeatureSide
from clients.vertical_label import LabelSide
from clients.vertical_steps import AnyLabelSide, alignment_step, training_step
from clients.welcome import figures, welcome_lists
from edufed.arrays import Arrays
from edufed.config.job import Job
from edufed.records import DataError


def hello(site: Site, job: Job, _meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say in which role the site takes part, and how many rows and columns it has."""
    started = time.monotonic()
    if site.name == job.label_party:
        own = newcomers(site, job)
        identify(own.arrivals.link.tolist(), own.arrivals.course_id.tolist())
        trained = int((own.part == TRAIN).sum())
        if not trained or trained == len(own.part):
            raise DataError(
                f"{trained} of {len(own.part)} enrolments are to train on; both parts are needed:"
                " set data.split"
            )
        said = {
            "role": "label",
            "n_train": trained,
            "n_test": int((own.part == TEST).sum()),
            "features": own.x.shape[1],
            "learners": len(set(own.arrivals.link.tolist()) - {""}),
            "quality": own.quality,
        }
    else:
        brought = taste(site, job)
        identifiers(brought.learners)
        said = {
            "role": "feature",
            "n_train": 0,
            "n_test": 0,
            "features": len(brought.names) + 1,
            "learners": len(set(brought.learners.links.tolist()) - {""}),
            "quality": brought.learners.quality,
        }
    return {**said, "n_valid": 0, "seconds_features": time.monotonic() - started}, {}


def align(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of the alignment, and at its end exchange what the first round needs."""
    leads = site.name == job.label_party
    if leads:
        own = newcomers(site, job)
        ids = identify(own.arrivals.link.tolist(), own.arrivals.course_id.tolist())
    else:
        ids = identifiers(taste(site, job).learners)
    return alignment_step(site, job, meta, arrays, ids, _ColdStart(site, job))


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of training; at its end the label party judges and writes its lists."""
    return training_step(site, job, meta, arrays, _ColdStart(site, job))


def publish(site: Site, job: Job, _meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Forget the job's keys, masks and weights: later newcomers are met by a new job."""
    forget_steps(site, job.id)
    return {}, {}


def lists_file(site: Site, job_id: str) -> Path:
    """Where the label party keeps the newcomers' lists."""
    return site.store.folder / "lists" / f"{job_id}.csv"


@dataclass(frozen=True)
class _ColdStart:
    """A target for each category of resources; see `clients.vertical_steps.Purpose`."""

    site: Site
    job: Job

    def label(self, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays) -> LabelSide:
        own = newcomers(self.site, self.job)
        return LabelSide(self.job, parties, own.x[rows], own.y[rows], own.part[rows], state)

    def feature(
        self,
        parties: Parties,
        rows: npt.NDArray[np.int64],
        part: npt.NDArray[np.uint8],
        state: Arrays,
    ) -> FeatureSide:
        x = taste(self.site, self.job).of(rows, part == TRAIN)
        return FeatureSide(self.job, parties, x, state)

    def alone(self, label: AnyLabelSide) -> npt.NDArray[np.float64]:
        return label.alone

    def say(
        self, _parties: Parties, label: AnyLabelSide, state: Arrays, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        if said["stopped_by"] is None:
            return {"roc_auc": None}
        own, rows = newcomers(self.site, self.job), state["rows"]
        listed = welcome_lists(own, self.job, rows, label.scores)
        write_predictions(listed, lists_file(self.site, self.job.id))
        return {
            "roc_auc": None,
            "figures": figures(own, self.job, rows, state["alone"], label.scores),
            "lists": len(listed[["learner_id", "course_id"]].drop_duplicates()),
        }
