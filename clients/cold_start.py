"""Cold start, the site's half. The coordinator's: `server/strategies/vertical.py`.

The protocol is that of vertical training (`clients/vertical.py`), with a label for each category of
the resources of the platform that new learners come to, which is the label party. What it makes of
the summed scores stays there: figures without a learner go to the coordinator, and a list for each
newcomer lies in its state folder.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.alignment import Mail, align_step, part_of
from clients.answer import Answer
from clients.newcomers import Newcomers, newcomers
from clients.parties import Parties, Parts
from clients.platform import TEST, TRAIN, identifiers, identify
from clients.predict import write_predictions
from clients.site import Site
from clients.steps import forget_steps
from clients.taste import taste
from clients.vertical import ANSWER, BEGIN, AnyLabelSide, Sides, training_step
from clients.vertical_feature import FeatureSide
from clients.vertical_label import LabelSide
from clients.welcome import figures, welcome_lists
from edufed.arrays import Arrays, prefixed
from edufed.config.job import Job
from edufed.privacy.psi import Alignment
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

    def finish(
        parties: Parties, alignment: Alignment, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        rows: Arrays = {"rows": alignment.rows}
        if parties.leads:
            label = label_side(site, job, parties, alignment.rows, {})
            columns = {name: int(meta["parties"][name]) for name in parties.others}
            letters = {name: {BEGIN: letter} for name, letter in label.begin(columns).items()}
            rows["alone"] = label.alone
            said = {"rows": len(alignment), "left_out": len(ids) - len(alignment)}
            return rows | prefixed("side/", label.state), said, letters
        begin = part_of(mail, parties.leader, BEGIN)
        part = FeatureSide.part_of(parties, begin, len(alignment))
        x = taste(site, job).of(alignment.rows, part == TRAIN)
        feature = FeatureSide(job, parties, x, {})
        letters = {parties.leader: {ANSWER: feature.begin(begin)}}
        said = {"present": int(alignment.present.sum())}
        return rows | prefixed("side/", feature.state), said, letters

    return align_step(site, job, meta, arrays, ids, finish)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of training; at its end the label party judges and writes its lists."""

    def say(
        _parties: Parties, label: AnyLabelSide, state: Arrays, said: dict[str, Any]
    ) -> dict[str, Any]:
        if said["stopped_by"] is None:
            return {"roc_auc": None}
        own, rows = newcomers(site, job), state["rows"]
        listed = welcome_lists(own, job, rows, label.scores)
        write_predictions(listed, lists_file(site, job.id))
        return {
            "roc_auc": None,
            "figures": figures(own, job, rows, state["alone"], label.scores),
            "lists": len(listed[["learner_id", "course_id"]].drop_duplicates()),
        }

    return training_step(site, job, meta, arrays, Sides(_feature_side, label_side, say))


def publish(site: Site, job: Job, _meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Forget the job's keys, masks and weights: later newcomers are met by a new job."""
    forget_steps(site, job.id)
    return {}, {}


def lists_file(site: Site, job_id: str) -> Path:
    """Where the label party keeps the newcomers' lists."""
    return site.store.folder / "lists" / f"{job_id}.csv"


def label_side(
    site: Site, job: Job, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays
) -> LabelSide:
    """Return the label party as it stands, its rows in the order that all share."""
    own: Newcomers = newcomers(site, job)
    return LabelSide(job, parties, own.x[rows], own.y[rows], own.part[rows], state)


def _feature_side(
    site: Site, job: Job, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays
) -> FeatureSide:
    x = taste(site, job).of(rows, state["part"] == TRAIN)
    return FeatureSide(job, parties, x, state)
