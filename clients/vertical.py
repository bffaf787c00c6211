"""Vertical federation, the site's half. The coordinator's: `server/strategies/vertical.py`.

`hello` (who takes part, with how many columns), `align` (four messages: private set intersection,
and at its end the first product), `train` (a round: one message to and from the label party, one
to and from all feature parties), `publish` (each party keeps its own block of the model).

What one party tells another is sealed between the two (`clients/parties.py`): the coordinator hands
letters on. `clients/vertical_label.py` and `clients/vertical_feature.py` say what is in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from clients.alignment import Mail, align_step, later_step, part_of
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
from clients.vertical_products import DEALER, is_dealt
from edufed.arrays import Arrays, prefixed, unprefixed
from edufed.config.job import Job
from edufed.config.site import SiteSettings
from edufed.config.strategy import SplitNNSettings
from edufed.metrics import calibration_curve, caseload_curve, metrics_from_summary, score_summary
from edufed.privacy.psi import Alignment
from edufed.vertical import probability

if TYPE_CHECKING:
    from clients.splitnn_feature import SplitFeatureSide
    from clients.splitnn_label import SplitLabelSide

Array = npt.NDArray[np.float64]
#: A party's side by whatever strategy: the same letters to and fro, and what is in them differs.
AnyLabelSide: TypeAlias = "LabelSide | SplitLabelSide"
AnyFeatureSide: TypeAlias = "FeatureSide | SplitFeatureSide"

#: Names of parts of letters.
BEGIN, ANSWER, ROUND, END = "begin", "answer", "round", "end"


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
    ids, matrix_rows = _given(site.settings.model_dump_json(), job.model_dump_json())

    def finish(
        parties: Parties, alignment: Alignment, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        rows: Arrays = {"rows": alignment.rows}
        if parties.leads:
            label = label_side(site, job, parties, alignment.rows, {})
            columns = {name: int(meta["parties"][name]) for name in parties.others}
            letters = {name: {BEGIN: letter} for name, letter in label.begin(columns).items()}
            rows["alone"] = _test_logits(label, label.alone)
            said = {"rows": len(alignment), "left_out": len(matrix_rows) - len(alignment)}
            if is_dealt(job):  # the coordinator has to know how many numbers to deal
                said["training_rows"] = int((label.part == TRAIN).sum())
            return rows | prefixed("side/", label.state), said, letters
        begin = part_of(mail, parties.leader, BEGIN)
        part = FeatureSide.part_of(parties, begin, len(alignment))
        own = shared_rows(site, job, alignment.rows, part)
        feature = feature_side(job, parties, own.x, {})
        if isinstance(feature, FeatureSide):
            feature.deal(mail.get(DEALER))
        letters = {parties.leader: {ANSWER: feature.begin(begin)}}
        said = {"present": int(alignment.present.sum())}
        return rows | prefixed("side/", feature.state), said, letters

    return align_step(site, job, meta, arrays, ids, finish)


def train(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Take one step of training."""

    def say(
        parties: Parties, label: AnyLabelSide, state: Arrays, said: dict[str, Any]
    ) -> dict[str, Any]:
        tested = _test_logits(label, label.scores)
        told = {"roc_auc": metrics_from_summary(_summary(label, tested))["roc_auc"]}
        if said["stopped_by"] is not None:
            told |= _evaluation(label, tested, state["alone"])
            _save_label_block(site, job, parties, label)
        return told

    return training_step(site, job, meta, arrays, Sides(_feature_side, label_side, say))


@dataclass(frozen=True)
class Sides:
    """What a training step asks of a task.

    Attributes
    ----------
    feature, label : callable
        (site, job, parties, rows, state) -> the party as it stands.
    say : callable
        (parties, label party, what is kept, what it says of the round) -> what it says besides.
    """

    feature: Callable[..., AnyFeatureSide]
    label: Callable[..., AnyLabelSide]
    say: Callable[[Parties, AnyLabelSide, Arrays, dict[str, Any]], dict[str, Any]]


def training_step(
    site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays, sides: Sides
) -> Answer:
    """Take a party's step of a round: letters in, letters out."""

    def then(
        parties: Parties, state: Arrays, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        rows, inner = state["rows"], unprefixed("side/", state)
        rest = {name: array for name, array in state.items() if not name.startswith("side/")}
        if not parties.leads:
            feature = sides.feature(site, job, parties, rows, inner)
            letter = part_of(mail, parties.leader, ROUND)
            answer = feature.round(int(meta["round"]), letter)
            return rest | prefixed("side/", feature.state), {}, {parties.leader: {ANSWER: answer}}
        label = sides.label(site, job, parties, rows, inner)
        answers = {name: parts[ANSWER] for name, parts in mail.items() if ANSWER in parts}
        if DEALER in mail and isinstance(label, LabelSide):
            label.deal(mail[DEALER])
        said, letters = label.next(answers)
        said |= sides.say(parties, label, state, said)
        ended = said["stopped_by"] is not None
        out = {name: {END if ended else ROUND: letter} for name, letter in letters.items()}
        return rest | prefixed("side/", label.state), said, out

    return later_step(site, job, meta, arrays, then)


def publish(site: Site, job: Job, meta: Mapping[str, Any], arrays: Arrays) -> Answer:
    """Keep this party's block of the finished model, and forget the job's keys and masks."""

    def then(
        parties: Parties, state: Arrays, mail: Mail
    ) -> tuple[Arrays, dict[str, Any], dict[str, Parts]]:
        if not parties.leads:
            rows, inner = state["rows"], unprefixed("side/", state)
            side = _feature_side(site, job, parties, rows, inner)
            side.end(part_of(mail, parties.leader, END))
            columns = shared_rows(site, job, rows, inner["part"]).columns
            save_block(site, Block(job, parties.plan.names, columns, side.parameters))
        return {}, {}, {}

    later_step(site, job, meta, arrays, then)
    forget_steps(site, job.id)
    return {}, {}


@lru_cache(maxsize=8)
def _given(site_json: str, job_json: str) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """Identifiers of the rows that this site brings, and where they stand in its matrix."""
    site = Site(SiteSettings.model_validate_json(site_json))
    job = Job.model_validate_json(job_json)
    learners = site.learners(job.early_warning.cutoff_day)
    rows = np.arange(len(learners.matrix))
    if site.name == job.label_party:
        rows = Rows.of(learners.matrix, job).at
    ids = identifiers(learners)
    return tuple(ids[row] for row in rows), rows


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


def label_side(
    site: Site, job: Job, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays
) -> AnyLabelSide:
    """Return the label party as it stands, its rows in the order that all share."""
    own = label_material(site, job)
    given = (job, parties, own.x[rows], own.y[rows], own.part[rows], state)
    if not isinstance(job.strategy, SplitNNSettings):
        return LabelSide(*given)
    from clients.splitnn_label import SplitLabelSide  # brings torch along

    return SplitLabelSide(*given)


def feature_side(job: Job, parties: Parties, x: Array, state: Arrays) -> AnyFeatureSide:
    """Return a feature party as it stands."""
    if not isinstance(job.strategy, SplitNNSettings):
        return FeatureSide(job, parties, x, state)
    from clients.splitnn_feature import SplitFeatureSide

    return SplitFeatureSide(job, parties, x, state)


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


def _feature_side(
    site: Site, job: Job, parties: Parties, rows: npt.NDArray[np.int64], state: Arrays
) -> AnyFeatureSide:
    return feature_side(job, parties, shared_rows(site, job, rows, state["part"]).x, state)


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
