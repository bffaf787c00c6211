"""Learning records -> rows of the map."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from edufed.quality.frame import GROUPS, Frame
from edufed.quality.rows import read_rows
from edufed.records import DataError, LearningRecords


def records(**tables: str) -> LearningRecords:
    connection = duckdb.connect()
    for name, sql in tables.items():
        connection.execute(f"CREATE VIEW {name} AS {sql}")
    return LearningRecords(connection, "f")


LEARNERS = """
    SELECT * FROM (VALUES
        ('a', 'female', '12-14', 'north', 'one', true, 0.1),
        ('b', 'male', '35-54', NULL, 'one', false, 0.9),
        ('c', NULL, NULL, 'north', NULL, NULL, NULL)
    ) AS t(learner_id, gender, age_band, region, school, support_need, means)"""
ENROLMENTS = """
    SELECT * FROM (VALUES
        ('a', 'm', TIMESTAMP '2024-09-01', 'completed'),
        ('b', 'm', TIMESTAMP '2024-09-01', 'withdrawn'),
        ('c', 'n', NULL, 'active')
    ) AS t(learner_id, course_id, course_start, status)"""
EVENTS = """
    SELECT * FROM (VALUES ('a', 'm', 1.0, 3.0), ('a', 'm', 2.0, NULL), ('b', 'n', 1.0, 9.0))
    AS t(learner_id, course_id, "time", count)"""
OUTCOMES = """
    SELECT * FROM (VALUES
        ('a', 'm', 'assessment', 10.0, 0.2, NULL, NULL),
        ('a', 'm', 'assessment', 20.0, 0.9, NULL, NULL),
        ('a', 'm', 'assessment', 30.0, 0.6, NULL, NULL),
        ('a', 'm', 'final', 99.0, 0.7, true, 2),
        ('b', 'm', 'assessment', 10.0, 0.4, NULL, NULL),
        ('b', 'm', 'final', 50.0, NULL, false, NULL)
    ) AS t(learner_id, course_id, kind, "time", score, passed, level)"""


def test_each_learner_in_a_course_is_a_row() -> None:
    rows = read_rows(
        records(learners=LEARNERS, enrolments=ENROLMENTS, events=EVENTS, outcomes=OUTCOMES),
        "here",
        35,
    )
    assert rows.course.tolist() == ["m", "m", "n"]
    assert rows.term.tolist() == ["2024-09", "2024-09", ""]
    assert rows.places["region"].tolist() == ["north", "here", "north"]
    assert rows.places["school"].tolist() == ["one", "one", ""]
    assert rows.stages == {"m": 2}
    stage = [GROUPS["stage"][place] for place in rows.stage(rows.stages)]
    assert stage == ["junior_secondary", "junior_secondary", ""]
    named = {
        group: [GROUPS[group][place] for place in places] for group, places in rows.groups.items()
    }
    assert named == {
        "gender": ["female", "male", ""],
        "age": ["younger", "older", ""],
        "need": ["need", "no_need", ""],
        "means": ["poorest", "richest", ""],
    }
    expected = {
        "participation": [1, 1, 0],  # b handed something in
        "completion": [1, 0, np.nan],
        "pass_rate": [1, 0, np.nan],
        "score": [0.7, 0.4, np.nan],
        "growth": [0.4, np.nan, np.nan],  # the last of three less the first
        "use": [4, 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(rows.measures[name], values, err_msg=name)


def test_what_a_site_lacks_is_missing_not_nothing() -> None:
    rows = read_rows(records(outcomes=OUTCOMES), "here", 35)
    assert rows.course.tolist() == ["m", "m"]
    assert set(rows.places["region"]) == {"here"}
    for name in ("participation", "completion", "use"):
        assert np.isnan(rows.measures[name]).all()
    assert rows.measures["pass_rate"].tolist() == [1, 0]
    with pytest.raises(DataError, match="needs enrolments, events or outcomes"):
        read_rows(records(learners=LEARNERS), "here", 35)


def test_a_frame_travels_whole() -> None:
    frame = Frame.of(
        ("region", "school"), {("n", "1"), ("n", "2"), ("s", "1")}, ["2024-09", ""], {"m": 2}
    )
    assert frame.units == ((), ("n",), ("s",), ("n", "1"), ("n", "2"), ("s", "1"))
    assert frame.parents.tolist() == [-1, 0, 0, 1, 1, 2]
    assert frame.terms == ("2024-09", "")
    assert Frame.from_json(frame.to_json()) == frame
