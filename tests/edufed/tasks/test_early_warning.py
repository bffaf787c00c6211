from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from edufed.features import build
from edufed.features.matrix import FeatureMatrix
from edufed.records import LearningRecords
from edufed.tasks.early_warning import NO_VISIT_DAYS, days_since_visit


def matrix(cutoff: float, **tables: pd.DataFrame) -> FeatureMatrix:
    connection = duckdb.connect()
    for name, frame in tables.items():
        connection.register("frame", frame)
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
        connection.unregister("frame")
    return build(LearningRecords(connection, "tiny"), cutoff)


ENROLMENTS = pd.DataFrame(
    {
        "learner_id": list("abcdef"),
        "course_id": "M",
        "start": [-5.0, 60.0, 60.5, np.nan, 0.0, 0.0],
        "end": [np.nan, np.nan, np.nan, 60.5, 60.0, 30.0],
    }
)
EVENTS = pd.DataFrame(
    {
        "learner_id": ["a", "d", "d", "g", "h"],
        "course_id": "M",
        "time": [52.0, 10.0, 58.0, 60.0, 60.1],
    }
)


def test_those_enrolled_at_the_cutoff_are_warned_of() -> None:
    # c comes after the cutoff, e left on that day, f before.
    assert matrix(60.0, enrolments=ENROLMENTS).learner_id.tolist() == ["a", "b", "d"]


def test_without_enrolments_those_seen_by_the_cutoff() -> None:
    outcomes = pd.DataFrame(
        {
            "learner_id": ["i", "j", "a"],
            "course_id": ["M", "M", "L"],
            "kind": ["assessment", "final", "assessment"],
            "time": [20.0, np.nan, 61.0],
        }
    )
    made = matrix(60.0, events=EVENTS, outcomes=outcomes)
    assert made.learner_id.tolist() == ["a", "d", "g", "i"]
    assert np.isnat(made.course_start).all()


def test_target_is_not_passing() -> None:
    outcomes = pd.DataFrame(
        {
            "learner_id": ["a", "b", "b", "d", "d", "z"],
            "course_id": ["M", "M", "M", "M", "L", "M"],
            "kind": ["final", "final", "final", "assessment", "final", "final"],
            "passed": pd.array([False, False, True, False, False, True], dtype="boolean"),
        }
    )
    target = matrix(60.0, enrolments=ENROLMENTS, outcomes=outcomes).target
    # b passed at the second try; of d's course nothing is known yet.
    np.testing.assert_array_equal(target, np.array([1, 0, np.nan], dtype=np.float32))


def test_unknown_results_are_no_target() -> None:
    assert np.isnan(matrix(60.0, enrolments=ENROLMENTS).target).all()
    unknown = pd.DataFrame(
        {
            "learner_id": ["a"],
            "course_id": ["M"],
            "kind": ["final"],
            "passed": pd.array([None], dtype="boolean"),
        }
    )
    assert np.isnan(matrix(60.0, enrolments=ENROLMENTS, outcomes=unknown).target).all()


def test_the_rule_counts_days_without_a_visit() -> None:
    days = days_since_visit(matrix(60.0, enrolments=ENROLMENTS, events=EVENTS))
    np.testing.assert_array_equal(days, [8, 0, 2])  # b registered that day
    assert (days >= NO_VISIT_DAYS).tolist() == [True, False, False]
    assert (days_since_visit(matrix(60.0, enrolments=ENROLMENTS)) == 0).all()
