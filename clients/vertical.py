"""Vertical federation, the site's half. The coordinator's: `server/strategies/vertical.py`.

`hello` (who takes part, with how many columns), `align` (four messages: private set intersection,
and at its end the first product), `train` (a round: one message to and from the label party, one
to and from all feature parties), `publish` (each party keeps its own block of the model).

`clients/vertical_steps.py` has the steps, which other vertical tasks take too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from clients.alignment import Mail, later_step, part_of
from clients.answer import Answer
from clients.block import Block, save_block
from clients.calibration import fit_calibration
from clients.parties import Parties, Parts
from clients.platform import TEST, TRAIN, VALID, Columns, Rows, identifiers
from clients.site import Site
from clients.split import check_trainable, split
from clients.steps import forget_steps
from clients.vertical_feature import FeatureSide
from clients.vertical_label import LabelSide
from clients.vertical_steps import (
    END,
    SIDE,
    AnyFeatureSide,
    AnyLabelSide,
    alignment_step,
    training_step,
)
from edufed.arrays import Arrays, unprefixed
from edufed.config.job import Job
from edufed.config.site import SiteSettings
from edufed.config.strategy import SplitNNSettings
from edufed.metrics import calibration_curve, caseload_curve, metrics_from_summary, score_summary
from edufed.vertical import probability

Array = npt.NDArray[np.float64]


def hello(site: Site, job: Job, _meta: Mapping[str, Any], _arrays: Arrays) -> Answer:
    """Say in which role the site takes part, and how many rows and columns it has."""
    started = time.monotonic()
    learners = site.learners(job.early_warning.cutoff_day)
    seconds = time.monotonic() - started
    identifiers(learners)
    leads = site.name == job.label_party
    parts = split(learners.matrix, job)
    if leads:
        check_trainable(parts, learners.matrix, job)
    columns = Columns.of(learners.matrix, np.flatnonzero(parts.train), job)
    return {
        "role": "label" if leads else "feature",
        "n_train": int(parts.train.sum()),
        "n_valid": int(parts.valid.sum()),
        "n_test": int(parts.test.sum()),
        "features": len(columns.names) + (not leads),
        "learners": len(set(learners.links.tolist()) - {""}),
        "quality": learners.quality,
        "seconds_features": seconds,
    }, {}


def align(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of the alignment, and at its end exchange what the first round needs."""
    ids = _given(site.settings.model_dump_json(), job.model_dump_json())
    return alignment_step(site, job, meta, arrays, ids, _EarlyWarning(site, job))


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of training."""
    return training_step(site, job, meta, arrays, _EarlyWarning(site, job))


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep this party's block of the finished model, and forget the job's keys and masks."""

    def then(
        parties: Parties, state: Arrays, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        if not parties.leads:
            rows, inner = state["rows"], unprefixed(SIDE, state)
            side = _EarlyWarning(site, job).feature(parties, rows, inner["part"], inner)
            side.end(part_of(mail, parties.leader, END))
            columns = shared_rows(site, job, rows, inner["part"]).columns
            save_block(site, Block(job, parties.plan.names, columns, side.parameters))
        return {}, {}, {}

    later_step(site, job, meta, arrays, then)
    forget_steps(site, job.id)
    return {}, {}


@lru_cache(maxsize=8)
def _given(site_json: str, job_json: str) -> tuple[str, ...]:
    """Identifiers of the rows that this site brings."""
    site = Site(SiteSettings.model_validate_json(site_json))
    job = Job.model_validate_json(job_json)
    learners = site.learners(job.early_warning.cutoff_day)
    ids = identifiers(learners)
    if site.name == job.label_party:
        return tuple(ids[row] for row in Rows.of(learners.matrix, job).at)
    return tuple(ids)


@dataclass(frozen=True)
class LabelMaterial:
    """The label party's rows with a known result, in their own order."""

    x: Array
    y: Array
    part: npt.NDArray[np.uint8]
    columns: Columns


def label_material(site: Site, job: Job) -> LabelMaterial:
    """Return the label party's rows, columns and targets."""
    return _label_material(site.settings.model_dump_json(), job.model_dump_json())


@lru_cache(maxsize=4)
def _label_material(site_json: str, job_json: str) -> LabelMaterial:
    site = Site(SiteSettings.model_validate_json(site_json))
    job = Job.model_validate_json(job_json)
    matrix = site.learners(job.early_warning.cutoff_day).matrix
    rows = Rows.of(matrix, job)
    columns = Columns.of(matrix, rows.at[rows.part == TRAIN], job)
    x = columns.values(matrix, job)[rows.at]
    return LabelMaterial(x, matrix.target[rows.at].astype(np.float64), rows.part, columns)


@dataclass(frozen=True)
class SharedRows:
    """A feature party's columns of the shared rows, zero where it lacks the learner."""

    x: Array
    columns: Columns


def shared_rows(
    site: Site, job: Job, rows: npt.NDArray[np.int64], part: npt.NDArray[np.uint8]
) -> SharedRows:
    """Return a feature party's columns, scaled by the training rows that it has."""
    return _shared_rows(
        site.settings.model_dump_json(), job.model_dump_json(), rows.tobytes(), part.tobytes()
    )


@lru_cache(maxsize=4)
def _shared_rows(site_json: str, job_json: str, rows: bytes, part: bytes) -> SharedRows:
    site = Site(SiteSettings.model_validate_json(site_json))
    job = Job.model_validate_json(job_json)
    at = np.frombuffer(rows, np.int64)
    matrix = site.learners(job.early_warning.cutoff_day).matrix
    present = at >= 0
    trains = np.frombuffer(part, np.uint8) == TRAIN
    columns = Columns.of(matrix, at[present & trains], job)
    x = np.zeros((len(at), len(columns.names) + 1))
    x[present, :-1] = columns.values(matrix, job)[at[present]]
    x[:, -1] = present
    return SharedRows(x, columns)


@dataclass(frozen=True)
class _EarlyWarning:
    """One target for each of the label party's learners; see `clients.vertical_steps.Purpose`."""

    site: Site
    job: Job

    def label(self, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays) -> AnyLabelSide:
        own = label_material(self.site, self.job)
        given = (self.job, parties, own.x[rows], own.y[rows], own.part[rows], state)
        if not isinstance(self.job.strategy, SplitNNSettings):
            return LabelSide(*given)
        from clients.splitnn_label import SplitLabelSide  # brings torch along

        return SplitLabelSide(*given)

    def feature(
        self,
        parties: Parties,
        rows: npt.NDArray[np.int64],
        part: npt.NDArray[np.uint8],
        state: Arrays,
    ) -> AnyFeatureSide:
        given = (self.job, parties, shared_rows(self.site, self.job, rows, part).x, state)
        if not isinstance(self.job.strategy, SplitNNSettings):
            return FeatureSide(*given)
        from clients.splitnn_feature import SplitFeatureSide

        return SplitFeatureSide(*given)

    def alone(self, label: AnyLabelSide) -> Array:
        return _test_logits(label, label.alone)

    def say(
        self, parties: Parties, label: AnyLabelSide, state: Arrays, said: Mapping[str, Any]
    ) -> dict[str, Any]:
        tested = _test_logits(label, label.scores)
        told = {"roc_auc": metrics_from_summary(_summary(label, tested))["roc_auc"]}
        if said["stopped_by"] is not None:
            told |= _evaluation(label, tested, state["alone"])
            _save_label_block(self.site, self.job, parties, label)
        return told


def _test_logits(side: AnyLabelSide, scores: Array) -> Array:
    return scores[side.part == TEST, 0]


def _summary(side: AnyLabelSide, logits: Array) -> Array:
    """Summarise the test learners' risks."""
    return score_summary(side.y[side.part == TEST], probability(logits))


def _evaluation(side: AnyLabelSide, tested: Array, alone: Array) -> dict[str, Any]:
    """Return what the coordinator learns of the finished model: scores and curves, no learner."""
    together, own = _summary(side, tested), _summary(side, alone)
    return {
        "metrics": {
            "federated": metrics_from_summary(together),
            "alone": metrics_from_summary(own),
        },
        "curves": {
            name: {"calibration": calibration_curve(s), "caseload": caseload_curve(s)}
            for name, s in (("federated", together), ("alone", own))
        },
    }


def _save_label_block(site: Site, job: Job, parties: Parties, side: AnyLabelSide) -> None:
    valid = side.part == VALID
    columns = label_material(site, job).columns
    fitted = fit_calibration(side.y[valid].astype(np.float32), side.scores[valid, 0])
    save_block(site, Block(job, parties.plan.names, columns, side.parameters, fitted))
