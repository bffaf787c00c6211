"""Which of a site's enrolments train, validate and test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from edufed.config.data import SplitSettings
from edufed.config.job import Job
from edufed.features import FeatureMatrix
from edufed.records import DataError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Split:
    """Three masks over a matrix's rows, disjoint, each of rows with a known target."""

    train: Mask
    valid: Mask
    test: Mask


def split(matrix: FeatureMatrix, job: Job) -> Split:
    """Divide rows as the job's data and task say.

    A learner is wholly in the training part or wholly in the validation part, and with
    ``by: learner`` wholly in or out of the test part, however many courses they take. With
    ``by: time`` a course without a start date takes no part.
    """
    known = ~np.isnan(matrix.target)
    rest, test = (
        known & part for part in learn_and_test(matrix.learner_id, matrix.course_start, job, known)
    )
    held = _uniform(matrix.learner_id, f"valid-{job.seed}") < job.early_warning.validation_share
    return Split(train=rest & ~held, valid=rest & held, test=test)


def learn_and_test(
    learner_id: npt.NDArray[np.object_],
    course_start: npt.NDArray[np.datetime64],
    job: Job,
    counted: Mask | slice = slice(None),
) -> tuple[Mask, Mask]:
    """Divide enrolments into those to learn from and those to test on, as the job's data say.

    With ``test_learners`` so many of the ``counted`` ones test.
    """
    rule = job.data.split
    if rule.by == "time":
        border = np.datetime64(rule.test_from, "D")
        return course_start < border, course_start >= border
    place = _uniform(learner_id, f"test-{job.seed}")
    test = place < _border(place[counted], rule)
    return ~test, test


def fold_of(learner_id: npt.NDArray[np.object_], job: Job) -> npt.NDArray[np.int64]:
    """Deal the learners of a certifying job out to its folds: 0 to `task.folds` - 1."""
    place = _uniform(learner_id, f"fold-{job.seed}")
    return (place * job.certify.folds).astype(np.int64)


def check_trainable(parts: Split, matrix: FeatureMatrix, job: Job) -> None:
    """See that a site has learners to train on, of both classes.

    Raises
    ------
    DataError
        It has not, and would only add to every round's failures.
    """
    targets = matrix.target[parts.train]
    if not len(targets):
        known = int((~np.isnan(matrix.target)).sum())
        rule = job.data.split
        before = f"in a course that began before {rule.test_from}"
        raise DataError(
            f"no learner to train on: {known} of {len(matrix)} enrolments open on day"
            f" {job.early_warning.cutoff_day:g} have a known result, none of them"
            f" {before if rule.by == 'time' else 'for training'}"
        )
    if targets.min() == targets.max():
        raise DataError(
            f"all {len(targets)} enrolments to train on ended alike;"
            " training needs some that passed and some that did not"
        )


def _border(place: npt.NDArray[np.float64], rule: SplitSettings) -> float:
    """Number below which a learner tests: a share of all, or that of so many rows."""
    if rule.test_learners is None:
        assert rule.test_share is not None
        return rule.test_share
    return float(np.append(np.sort(place), 1.0)[min(rule.test_learners, len(place))])


def _uniform(learner_id: npt.NDArray[np.object_], purpose: str) -> npt.NDArray[np.float64]:
    """Give each learner a number in [0, 1) that depends on the id and the purpose alone."""
    key = hashlib.sha256(purpose.encode()).hexdigest()[:16]  # pandas' SipHash takes 16 bytes
    return pd.util.hash_array(learner_id, hash_key=key) / 2.0**64
